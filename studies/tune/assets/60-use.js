// "Use these rates": a snippet to copy, and a file for `compare --policy-config`.
(() => {
  const tune = window.tune;
  const {make} = tune;
  let file = null; // of the settings that are shown: {name, config}

  const fetchText = async () => {
    const answer = await tune.post(tune.known.routes.use, tune.body());
    tune.mark(answer.errors);
    if (answer.failed) throw new Error(answer.failed);
    if (!answer.snippet) throw new Error('Correct the marked fields first.');
    return answer;
  };
  const tell = (text) => { document.getElementById('use-message').textContent = text; };
  const open = async () => {
    try {
      const answer = await fetchText();
      file = {name: answer.name, config: answer.config};
      document.getElementById('snippet').textContent = answer.snippet;
      document.getElementById('use-command').textContent = answer.command;
      document.getElementById('use-text').hidden = false;
      return answer;
    } catch (error) {
      tell(error.message);
      return null;
    }
  };
  const copy = async (text) => {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
    const area = make('textarea', {class: 'skip'}); // an address other than loopback has no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('the browser refused');
    return undefined;
  };
  const use = async () => {
    const answer = await open();
    if (!answer) return;
    try {
      await copy(answer.snippet);
      tell('The snippet is copied, and the file for compare is written.');
    } catch (error) {
      tell(`The file for compare is written. The snippet could not be copied (${error.message}): mark it and copy it.`);
    }
  };
  const download = async () => {
    if (!await open()) return;
    const address = URL.createObjectURL(new Blob([file.config], {type: 'application/json'}));
    make('a', {href: address, download: file.name}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    tell(`${file.name} is downloaded.`);
  };
  // What is shown is of earlier settings once these have moved.
  const outdate = () => {
    if (!file) return;
    file = null;
    document.getElementById('use-text').hidden = true;
    tell('');
  };

  const buildUse = () => document.getElementById('use').append(
    make('h2', {}, 'Use these rates'),
    make('p', {class: 'quiet'}, 'Take the settings along: as Python that prunes a network of yours, or as a ' +
         'file with which a study compares them to heuristics.'),
    make('div', {class: 'row'},
      make('button', {type: 'button', id: 'use-rates', class: 'main', onclick: use}, 'Use these rates'),
      make('button', {type: 'button', id: 'download', onclick: download}, 'Download the file')),
    make('p', {id: 'use-message', role: 'status'}),
    make('div', {id: 'use-text', hidden: true},
      make('pre', {id: 'snippet', tabindex: '0', 'aria-label': 'Python'}),
      make('p', {}, 'On the machine that serves this page:'),
      make('pre', {id: 'use-command', tabindex: '0', 'aria-label': 'Command'})));

  Object.assign(tune, {buildUse, outdate});
})();
