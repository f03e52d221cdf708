// Builds the controls, and does what a person does with them.
(() => {
  const tune = window.tune;
  const {known, state} = tune;
  const GROUPS = {
    Decay: ['mrna_decay', 'protein_decay'],
    Promoter: ['hill_coefficient', 'basal', 'threshold', 'autoactivation', 'cooperation'],
    Pruning: ['window', 'density'],
  };
  const parts = {}; // of each control: field, slider, error, unit

  // Makes an element: text becomes a text node, never markup.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, '');
      else if (value !== false && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  const control = (name) => {
    const {label, symbol, help} = tune.controls[name];
    const explained = make('p', {id: `${name}-help`, class: 'help', hidden: true}, help);
    const field = make('input', {id: name, type: 'text', inputmode: 'decimal', autocomplete: 'off',
      spellcheck: 'false', 'aria-describedby': `${name}-unit ${name}-error`});
    const slider = make('input', {id: `${name}-slider`, type: 'range', min: '0', max: String(tune.POSITIONS),
      step: '1', 'aria-label': `${label} ${symbol}, slider`, 'aria-describedby': `${name}-unit`});
    const error = make('p', {id: `${name}-error`, class: 'error', role: 'alert'});
    const unit = make('span', {id: `${name}-unit`, class: 'unit'});
    const question = make('button', {type: 'button', class: 'question', title: help,
      'aria-label': `What is ${label}?`, 'aria-expanded': 'false', 'aria-controls': `${name}-help`,
      onclick: () => {
        explained.hidden = !explained.hidden;
        question.setAttribute('aria-expanded', String(!explained.hidden));
      }}, '?');
    field.addEventListener('input', (event) => {
      state.values[name] = tune.isNumber(field.value) ? Number(field.value) : field.value;
      placeSlider(name);
      tune.ask(event);
    });
    slider.addEventListener('input', (event) => {
      state.values[name] = tune.valueAt(name, state.unit, Number(slider.value));
      field.value = tune.shown(state.values[name]);
      slider.setAttribute('aria-valuetext', `${field.value} ${unit.textContent}`.trim());
      tune.ask(event, true);
    });
    for (const each of [field, slider]) each.addEventListener('change', () => { tune.settle(); buttons(); });
    parts[name] = {field, slider, error, unit};
    return make('div', {class: 'control', 'data-name': name},
      make('div', {class: 'row'},
        make('label', {for: name}, `${label} `, make('i', {}, symbol)), question, field, unit),
      slider, error, explained);
  };
  const placeSlider = (name) => {
    const {slider, field, unit} = parts[name];
    if (!tune.isNumber(state.values[name])) return;
    slider.value = String(tune.positionOf(name, state.unit, state.values[name]));
    slider.setAttribute('aria-valuetext', `${field.value} ${unit.textContent}`.trim());
  };

  const unitSwitch = () => make('div', {class: 'units', role: 'radiogroup', 'aria-label': 'Decay given as'},
    ...['rate', 'half-life'].map((unit) => make('label', {},
      make('input', {type: 'radio', name: 'unit', value: unit, onchange: (event) => {
        tune.switchUnit(unit);
        tune.settle();
        show();
        tune.ask(event);
      }}), unit === 'rate' ? ' rates (1/h)' : ' half-lives (h)')),
    make('p', {id: 'unit-error', class: 'error', role: 'alert'}));

  const button = (id, text, act) => make('button', {type: 'button', id, onclick: act}, text);
  const presetChoice = () => {
    const choice = make('select', {id: 'preset', onchange: (event) => {
      const preset = known.presets[choice.value];
      if (!preset) return;
      tune.assume(preset.settings);
      tune.settle();
      show();
      document.getElementById('preset-source').textContent = preset.source;
      tune.ask(event);
    }}, make('option', {value: ''}, 'choose …'),
    ...Object.keys(known.presets).map((name) => make('option', {value: name}, name)));
    return choice;
  };
  const reset = (event) => {
    tune.assume(known.defaults);
    tune.settle();
    show();
    tune.ask(event);
  };
  const travel = (event, go) => {
    if (!go()) return;
    show();
    tune.ask(event);
  };

  const buttons = () => {
    document.getElementById('undo').disabled = !tune.canUndo();
    document.getElementById('redo').disabled = !tune.canRedo();
  };
  // Fields, sliders and units as the state has them.
  const show = () => {
    for (const [name, {field, unit}] of Object.entries(parts)) {
      field.value = tune.shown(state.values[name]);
      const asHalfLife = state.unit === 'half-life' && tune.RATES.includes(name);
      unit.textContent = asHalfLife ? 'h' : tune.controls[name].unit;
      const label = document.querySelector(`label[for=${name}] i`);
      label.textContent = asHalfLife ? 't½' : tune.controls[name].symbol;
      placeSlider(name);
    }
    for (const radio of document.getElementsByName('unit')) radio.checked = radio.value === state.unit;
    document.getElementById('parameter').value = state.parameter;
    buttons();
  };

  const mark = (errors) => {
    for (const [name, {field, error}] of Object.entries(parts)) {
      const message = errors[name] ?? '';
      if (error.textContent !== message) error.textContent = message;
      if (message) field.setAttribute('aria-invalid', 'true'); else field.removeAttribute('aria-invalid');
    }
    for (const name of ['unit', 'parameter']) {
      const place = document.getElementById(`${name}-error`);
      if (place.textContent !== (errors[name] ?? '')) place.textContent = errors[name] ?? '';
    }
  };

  const build = () => {
    const choose = make('select', {id: 'parameter', onchange: (event) => {
      state.parameter = choose.value;
      tune.ask(event);
    }}, ...Object.entries(known.parameters).map(([name, words]) => make('option', {value: name}, words)));
    document.getElementById('levels-options').append(
      make('label', {for: 'parameter'}, 'against '), choose,
      make('p', {id: 'parameter-error', class: 'error', role: 'alert'}));
    document.getElementById('controls').append(
      make('div', {class: 'row presets'}, make('label', {for: 'preset'}, 'Preset'), presetChoice()),
      make('p', {id: 'preset-source', class: 'help', 'aria-live': 'polite'}),
      make('div', {class: 'row'},
        button('undo', 'Undo', (event) => travel(event, tune.undo)),
        button('redo', 'Redo', (event) => travel(event, tune.redo)),
        button('reset', 'Reset', reset)),
      ...Object.entries(GROUPS).map(([title, names]) => make('fieldset', {}, make('legend', {}, title),
        ...(title === 'Decay' ? [unitSwitch()] : []), ...names.map(control))),
      make('p', {id: 'rough', class: 'note', role: 'status'}),
      make('p', {id: 'server-message', class: 'note', role: 'alert'}));
    document.addEventListener('keydown', (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== 'z') return;
      if (event.target.matches('input[type=text], textarea')) return; // the field's own undo
      event.preventDefault();
      travel(event, event.shiftKey ? tune.redo : tune.undo);
    });
  };

  Object.assign(tune, {
    make, build, showState: show, mark,
    say: (text) => { document.getElementById('server-message').textContent = text; },
  });
})();
