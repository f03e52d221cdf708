// What the page shows: values of the fields, their unit, the diagram's parameter; undo, and the address.
(() => {
  const tune = window.tune;
  const {known, RATES} = tune;
  const MOST = 200; // steps that can be undone

  const state = {values: {...known.defaults}, unit: 'rate', parameter: 'induction'};
  const copy = () => ({values: {...state.values}, unit: state.unit});
  const past = [];
  const future = [];
  let settled = copy();

  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  // Remember where the fields stood before a change that has come to its end.
  const settle = () => {
    if (same(settled, copy())) return;
    past.push(settled);
    if (past.length > MOST) past.shift();
    future.length = 0;
    settled = copy();
  };
  const travel = (from, to) => {
    if (!from.length) return false;
    to.push(settled);
    settled = from.pop();
    state.values = {...settled.values};
    state.unit = settled.unit;
    return true;
  };
  const switchUnit = (unit) => {
    if (unit === state.unit) return;
    state.unit = unit;
    for (const name of RATES) state.values[name] = tune.inverted(state.values[name]);
  };
  const assume = (settings) => { // rates, as the server and the presets give them
    state.values = {...settings};
    if (state.unit === 'half-life') for (const name of RATES) state.values[name] = tune.inverted(settings[name]);
  };

  const readAddress = () => {
    const query = new URLSearchParams(location.search);
    const settings = {...known.defaults};
    for (const name of Object.keys(settings)) {
      if (!query.has(name)) continue;
      const text = query.get(name);
      settings[name] = tune.isNumber(text) ? Number(text) : text;
    }
    if (query.has('unit')) state.unit = query.get('unit');
    if (query.has('parameter')) state.parameter = query.get('parameter');
    assume(settings);
    settled = copy();
  };
  // Other keys, as those of live runs, stay as they are.
  const writeAddress = (settings) => {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(settings)) query.set(name, String(value));
    query.set('unit', state.unit);
    query.set('parameter', state.parameter);
    history.replaceState(history.state, '', `${location.pathname}?${query}${location.hash}`);
  };

  Object.assign(tune, {
    state, settle, switchUnit, assume, readAddress, writeAddress,
    undo: () => travel(past, future), redo: () => travel(future, past),
    canUndo: () => past.length > 0, canRedo: () => future.length > 0,
  });
})();
