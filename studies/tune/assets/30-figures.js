// Draws the figures: only their numbers change, and a figure whose numbers are as before is left alone.
(() => {
  const tune = window.tune;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const template = () => tune.known.templates[dark.matches ? 'dark' : 'light'];
  const last = {}; // what each figure shows, as it was sent
  const plot = (name) => document.querySelector(`#${name} .js-plotly-plot`);
  const plots = () => tune.known.figures.map(plot);
  const ready = () => window.Plotly && plots().every((each) => each && each.layout);

  // Sets "a.b.0.c" in a layout or trace, copying what lies on the way: plotly.js sees a change by identity.
  const assign = (target, path, value) => {
    const [key, ...rest] = path.split('.');
    if (!rest.length) { target[key] = value; return; }
    const inner = target[key] ?? {};
    target[key] = Array.isArray(inner) ? [...inner] : {...inner};
    assign(target[key], rest.join('.'), value);
  };
  const merged = (old, update) => {
    const made = {...old};
    for (const [path, value] of Object.entries(update)) assign(made, path, value);
    return made;
  };

  const unpacked = (value) => {
    if (typeof value?.bdata !== 'string') return value; // no numbers are an empty text
    return new Float32Array(Uint8Array.from(atob(value.bdata), (letter) => letter.charCodeAt(0)).buffer);
  };
  // Connections as one path of crosses or dots, a gap after each; of one size on the screen.
  const RADIUS = 2.4; // pixels
  const star = (corners, length) => [...Array.from({length: corners}, (_, k) => {
    const angle = 2 * Math.PI * k / corners;
    return [length(k) * Math.cos(angle), length(k) * Math.sin(angle)];
  }), null];
  // Few corners: each takes time.
  const SHAPES = {cross: star(8, (k) => (k % 2 ? 1.5 : 0.3)), dot: star(6, () => 1)};
  const radii = (place) => ['xaxis', 'yaxis'].map((name) => {
    const axis = place._fullLayout[name];
    return RADIUS * Math.abs(axis.range[1] - axis.range[0]) / Math.max(axis._length, 1);
  });
  const spots = (place, {symbol, ...levels}) => {
    const [m, p, s] = ['m', 'p', 's'].map((name) => unpacked(levels[name]));
    const [wide, high] = radii(place);
    const corners = SHAPES[symbol];
    const x = new Array(m.length * corners.length);
    const y = new Array(x.length);
    const customdata = new Array(x.length);
    for (let k = 0, at = 0; k < m.length; k += 1) {
      const numbers = [s[k], m[k], p[k]];
      for (const corner of corners) {
        x[at] = corner ? m[k] + wide * corner[0] : null;
        y[at] = corner ? p[k] + high * corner[1] : null;
        customdata[at] = numbers;
        at += 1;
      }
    }
    return {x, y, customdata};
  };
  const numbers = (place, update) => (update.spots ? spots(place, update.spots)
    : Object.fromEntries(Object.entries(update).map(([key, value]) => [key, unpacked(value)])));

  const POINTS = ['x', 'y', 'spots']; // the rest of a trace is its look
  const look = ({data, layout}) => JSON.stringify([layout, data.map((trace) =>
    Object.entries(trace).filter(([key]) => !POINTS.includes(key)))]);
  // Where the look is as before, axes and legend need not be drawn again: that is half of the work.
  const STILL = {mode: 'immediate', frame: {duration: 0, redraw: false}, transition: {duration: 0}};

  const draw = async (figures) => {
    for (const [name, figure] of Object.entries(figures)) {
      const sent = JSON.stringify(figure);
      const looks = look(figure);
      const before = last[name] ?? {};
      if (before.sent === sent) continue;
      last[name] = {sent, looks, figure};
      const place = plot(name);
      const size = String(radii(place));
      const data = figure.data.map((trace) => numbers(place, trace));
      if (before.looks === looks) {
        const moved = data.map((trace, k) => k).filter((k) => data[k].x);
        await Plotly.animate(place, {data: moved.map((k) => data[k]), traces: moved}, STILL);
      } else {
        await Plotly.react(place, place.data.map((trace, k) => merged(trace, data[k])),
          merged(place.layout, {...figure.layout, template: template()}));
        if (String(radii(place)) !== size) await resize(name);
      }
    }
  };
  // Spots keep their size on the screen where a figure gets another.
  const resize = async (name) => {
    const place = plot(name);
    const data = last[name]?.figure.data ?? [];
    const round = data.map((trace, k) => k).filter((k) => data[k].spots);
    if (!round.length) return;
    await Plotly.animate(place, {data: round.map((k) => spots(place, data[k].spots)), traces: round}, STILL);
  };
  let resizing = 0;
  addEventListener('resize', () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => { for (const name of tune.known.figures) resize(name); }, 400);
  });

  // Not by relayout: its event has Dash draw the figure anew as it was before any numbers came.
  dark.addEventListener('change', () => {
    if (!ready()) return;
    for (const each of plots()) Plotly.react(each, each.data, {...each.layout, template: template()});
  });

  Object.assign(tune, {draw, ready, template});
})();
