// Live training: its runs stand in the address, under "a" and "b", and figures follow the page's colours.
(() => {
  const SLOTS = ['a', 'b'];
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const read = () => {
    const query = new URLSearchParams(location.search);
    return Object.fromEntries(SLOTS.filter((slot) => query.get(slot)).map((slot) => [slot, query.get(slot)]));
  };

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.live = {
    // Writes the runs into the address; without runs nothing is asked for and nothing is shown.
    write: (runs) => {
      const query = new URLSearchParams(location.search);
      for (const slot of SLOTS) {
        if (runs[slot]) query.set(slot, runs[slot]); else query.delete(slot);
      }
      const text = query.toString();
      if (text !== location.search.slice(1)) {
        history.replaceState(history.state, '', location.pathname + (text ? `?${text}` : '') + location.hash);
      }
      const none = !SLOTS.some((slot) => runs[slot]);
      if (!none) requestAnimationFrame(() => window.dispatchEvent(new Event('resize'))); // figures were hidden
      return [none, none, none];
    },
  };

  // While a slider moves the panel waits: its figures would hold up those that follow the slider.
  const REST = 400; // ms without a move after which it goes on
  const TICKS = ['live-tick', 'live-graph-tick'];
  const pause = (disabled) => TICKS.forEach((tick) => dash_clientside.set_props(tick, {disabled}));
  let waiting = 0;
  const wait = (event) => {
    if (event.target.type !== 'range' || !Object.keys(read()).length) return;
    if (!waiting) pause(true);
    clearTimeout(waiting);
    waiting = setTimeout(() => { waiting = 0; pause(!Object.keys(read()).length); }, REST);
  };

  const tellColours = () => dash_clientside.set_props('live-dark', {data: dark.matches});
  const start = () => {
    if (!document.getElementById('live-curves') || !dash_clientside.set_props) {
      requestAnimationFrame(start);
      return;
    }
    document.addEventListener('input', wait);
    dark.addEventListener('change', tellColours);
    tellColours();
    const runs = read();
    if (Object.keys(runs).length) dash_clientside.set_props('live-runs', {data: runs});
  };
  start();
})();
