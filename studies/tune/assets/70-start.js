// Starts once Dash has laid out the page, and passes settings on to what else is on it.
(() => {
  const tune = window.tune;
  const PAUSE = 120; // ms: live training hears of settings when a slider rests, not at each of its steps
  let waiting = 0;
  let passed = ''; // last good settings
  let wrong = false; // whether a field is marked
  let held = null; // what live training has: JSON of them, or null while a field is wrong

  const pass = (settings) => {
    const text = settings && JSON.stringify(settings);
    if (text === held) return;
    held = text;
    dash_clientside.set_props('settings', {data: settings});
  };
  // A run must not begin under other values than the fields show.
  const withhold = (bad) => {
    wrong = bad;
    if (bad) pass(null);
  };

  const tell = (answer) => {
    for (const [id, text] of Object.entries(answer.words)) {
      const place = document.getElementById(id);
      if (place.textContent !== text) place.textContent = text;
    }
    document.getElementById('rough').textContent = answer.rough;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const settings = JSON.stringify(answer.settings);
      tune.writeAddress(answer.settings);
      if (!wrong) pass(answer.settings);
      if (passed && passed !== settings) tune.outdate();
      passed = settings;
    }, PAUSE);
  };
  // The address may hold a value that is wrong: its field says so, and figures show the defaults meanwhile.
  const showDefaults = async () => {
    const {values, unit, parameter} = tune.state;
    const good = {};
    for (const name of Object.keys(values)) {
      if (!document.getElementById(name).hasAttribute('aria-invalid')) good[name] = values[name];
    }
    const answer = await tune.post(tune.known.routes.figures, JSON.stringify({values: good, unit, parameter}));
    if (!answer.figures) return;
    await tune.draw(answer.figures);
    for (const [id, text] of Object.entries(answer.words)) document.getElementById(id).textContent = text;
    document.getElementById('rough').textContent = 'A marked field is wrong: figures show its default value.';
    finish();
  };
  const finish = () => {
    document.getElementById('figures').removeAttribute('aria-busy');
    document.documentElement.dataset.figures = 'drawn';
  };

  Object.assign(tune, {tell: (answer) => { tell(answer); finish(); }, withhold, showDefaults});

  const start = () => {
    if (!document.getElementById('controls') || !document.getElementById('use') || !tune.ready()) {
      requestAnimationFrame(start);
      return;
    }
    tune.build();
    tune.buildUse();
    tune.readAddress();
    tune.showState();
    tune.ask(null);
  };
  start();
})();
