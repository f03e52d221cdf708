// Numbers of the controls: between a slider's position and a value, and between a rate and a half-life.
window.tune = window.tune || {};
(() => {
  const POSITIONS = 400; // of a slider from end to end
  const known = JSON.parse(document.getElementById('tune-page').textContent);
  const controls = Object.fromEntries(known.controls.map((control) => [control.name, control]));
  const RATES = ['mrna_decay', 'protein_decay'];

  const isNumber = (value) => String(value).trim() !== '' && Number.isFinite(Number(value));
  const range = (name, unit) => {
    const {low, high} = controls[name];
    return unit === 'half-life' && RATES.includes(name) ? [Math.LN2 / high, Math.LN2 / low] : [low, high];
  };
  // A value is kept in the unit of its field; a rate becomes a half-life, and back, by the same formula.
  const inverted = (value) => (isNumber(value) && Number(value) > 0 ? Math.LN2 / Number(value) : value);

  const valueAt = (name, unit, position) => {
    const [low, high] = range(name, unit);
    const share = position / POSITIONS;
    if (position <= 0) return low;
    if (position >= POSITIONS) return high;
    if (!controls[name].logarithmic) return Number((low + (high - low) * share).toPrecision(3));
    return Number((low * (high / low) ** share).toPrecision(3));
  };
  const positionOf = (name, unit, value) => {
    const [low, high] = range(name, unit);
    const within = Math.min(Math.max(Number(value), low), high);
    const share = controls[name].logarithmic
      ? Math.log(within / low) / Math.log(high / low) : (within - low) / (high - low);
    return Math.round(share * POSITIONS);
  };
  const shown = (value) => (typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value));

  Object.assign(window.tune, {known, controls, RATES, POSITIONS, isNumber, inverted, valueAt, positionOf, shown});
})();
