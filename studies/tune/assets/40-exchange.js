// Asks the server for figures: one request under way, and of what was wanted meanwhile the latest alone.
(() => {
  const tune = window.tune;
  const IDLE = 150; // ms of rest after which figures are computed in full
  const MOST = 5000; // times kept
  const timings = []; // of each input: ms from the event until figures were drawn, and until the next frame
  let inputs = [];
  let wanted = 0;
  let answered = 0;
  let busy = false;
  let dragging = false;
  let lately = null; // latest answer that waits to be drawn
  let drawing = false;
  let rest = 0;
  let good = false; // whether figures have shown any settings

  const body = () => {
    const {values, unit, parameter} = tune.state;
    return JSON.stringify({values, unit, parameter, dragging});
  };
  const post = async (route, text) => {
    const base = document.getElementById('_dash-config');
    const prefix = base ? JSON.parse(base.textContent).requests_pathname_prefix : '/';
    const response = await fetch(prefix.replace(/\/$/, '') + route,
      {method: 'POST', headers: {'Content-Type': 'application/json'}, body: text});
    const answer = await response.json();
    if (answer.error) throw new Error(answer.error);
    return answer;
  };

  const ask = (event, moving = false) => {
    wanted += 1;
    dragging = moving;
    inputs.push({number: wanted, at: event ? event.timeStamp : performance.now(), counted: Boolean(event)});
    clearTimeout(rest);
    rest = 0;
    if (!busy) send();
  };
  const send = async () => {
    busy = true;
    const number = wanted;
    const moving = dragging;
    try {
      const answer = await post(tune.known.routes.figures, body());
      lately = {number, moving, answer};
      tune.say('');
    } catch (error) {
      tune.say(`The server gave no figures (${error.message}). If it was stopped, start it again: ` +
               'python -m studies tune');
    }
    answered = number;
    busy = false;
    if (wanted > number) send(); // the server works while the browser draws
    if (!drawing) show();
  };
  const show = async () => {
    drawing = true;
    while (lately) {
      const {number, moving, answer} = lately;
      lately = null;
      try {
        await present(answer, number);
      } catch (error) { // the next answer is drawn all the same
        inputs = inputs.filter((input) => input.number > number);
        tune.say(`The figures could not be drawn (${error.message}).`);
        console.error(error);
        continue;
      }
      if (answer.figures && answer.rough && moving) {
        clearTimeout(rest);
        rest = setTimeout(() => { rest = 0; if (!busy) ask(null); }, IDLE);
      }
    }
    drawing = false;
  };
  const present = async (answer, number) => {
    tune.mark(answer.errors);
    tune.withhold(Object.keys(answer.errors).length > 0);
    if (answer.figures) {
      good = true;
      await tune.draw(answer.figures);
      tune.tell(answer);
      measure(number);
      return;
    }
    inputs = inputs.filter((input) => input.number > number);
    if (!good) { await tune.showDefaults(); good = true; }
  };
  const measure = (number) => {
    const done = inputs.filter((input) => input.number <= number && input.counted);
    inputs = inputs.filter((input) => input.number > number);
    const drawn = performance.now();
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // its message comes after the frame
      channel.port1.onmessage = () => {
        const painted = performance.now();
        for (const {at} of done) timings.push({drawn: drawn - at, painted: painted - at});
        if (timings.length > MOST) timings.splice(0, timings.length - MOST);
      };
      channel.port2.postMessage(0);
    });
  };

  const quiet = () => answered === wanted && !drawing && !lately && !rest;

  Object.assign(tune, {ask, post, body, timings, quiet});
})();
