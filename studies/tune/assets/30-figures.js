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

  const draw = async (figures) => {
    let drawn = 0;
    for (const [name, figure] of Object.entries(figures)) {
      const sent = JSON.stringify(figure);
      if (last[name] === sent) continue;
      last[name] = sent;
      const place = plot(name);
      const data = place.data.map((trace, k) => merged(trace, figure.data[k]));
      const layout = merged(place.layout, {...figure.layout, template: template()});
      await Plotly.react(place, data, layout);
      drawn += 1;
    }
    return drawn;
  };

  dark.addEventListener('change', () => {
    if (ready()) for (const each of plots()) Plotly.relayout(each, {template: template()});
  });

  Object.assign(tune, {draw, ready, template});
})();
