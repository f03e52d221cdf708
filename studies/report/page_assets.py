"""Style sheet and script of the report page: light, dark, narrow and printed."""

STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f5f7f9; --ink: #22272e; --quiet: #59636e;
  --line: #dde2e8; --accent: #b84f00; --link: #0b62a4; --warn: #fff4dd; --warn-line: #d9a520; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; --panel: #1c2128; --ink: #dfe3e8;
  --quiet: #9aa5b1;
  --line: #333a44; --accent: #ff9a57; --link: #79bcf2; --warn: #33290f; --warn-line: #a67c14; } }
@media print { :root { color-scheme: light; --ground: #ffffff; --panel: #ffffff; --ink: #000000;
  --quiet: #444444;
  --line: #bbbbbb; --accent: #8a3b00; --link: #000000; --warn: #ffffff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55;
  font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif; }
header, main, footer { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 0 0 .3rem; }
p, ul, ol { max-width: 46rem; }
.quiet { color: var(--quiet); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; padding: 0; margin: 1rem 0 0;
  }
a { color: var(--link); }
a:focus-visible, [tabindex]:focus-visible, summary:focus-visible, button:focus-visible
  { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -999rem; } .skip:focus { left: 1rem; top: .5rem;
  background: var(--ground); padding: .4rem; }
.answer { background: var(--panel); border-left: 4px solid var(--accent); padding: 1rem 1.25rem;
  margin: 1.25rem 0; }
.answer p { margin: .35rem 0; max-width: none; } .answer .lead { font-size: 1.12rem; font-weight: 600; }
.note { background: var(--warn); border-left: 4px solid var(--warn-line); padding: .6rem 1rem;
  margin: 1rem 0; max-width: none; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .4rem; font-size: .9rem;
  position: sticky; left: 0; max-width: min(46rem, calc(100vw - 2.5rem)); }
th, td { padding: .35rem 0 .35rem 1.1rem; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom; }
thead th { white-space: normal; }
th:first-child, td:first-child { padding-left: 0; text-align: left; } .words th, .words td {
  text-align: left; }
.words td { white-space: normal; overflow-wrap: anywhere; }
tbody tr.group th, tbody tr.group td { border-top: 2px solid var(--line); }
tbody th { font-weight: 500; }
.words { width: 100%; } .words th { width: 12rem; }
.swatch { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .45em; }
figure { margin: 2rem 0; padding: 0; }
.faces { list-style: none; display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr));
  gap: 1.1rem 1.4rem; padding: 0; margin: .8rem 0; max-width: none; }
.faces li { border-top: 3px solid var(--line); padding-top: .4rem; break-inside: avoid; }
.faces li.mistaken { border-top: 3px dashed var(--accent); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
.pair img { width: 100%; height: auto; display: block; }
.said { display: block; font-size: .88rem; margin-top: .25rem; overflow-wrap: anywhere; }
.scale { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; font-size: .85rem;
  margin: .2rem 0; }
.scale img { width: 11rem; height: .8rem; }
figcaption { color: var(--quiet); font-size: .9rem; max-width: 46rem; margin-top: .25rem; }
.plot { width: 100%; }
code, pre { font-family: ui-monospace, 'Liberation Mono', Menlo, Consolas, monospace; font-size: .88em; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; border: 1px solid var(--line);
  white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 3rem; padding-bottom: 2rem; color: var(--quiet); font-size: .85rem; }
@media (max-width: 34rem) { h1 { font-size: 1.35rem; } header, main, footer { padding-left: .8rem;
  padding-right: .8rem; } }
@media print { nav, .modebar, .skip { display: none; } figure, table { break-inside: avoid; } h2, h3 {
  break-after: avoid; } .scroll { overflow: visible; } img { print-color-adjust: exact; } }
@media print { .faces { grid-template-columns: repeat(3, 1fr); } figure:has(.faces) { break-inside: auto; } }
"""

SCRIPT = """
(async () => {
  const message = document.getElementById('figure-message');
  const fail = (text) => { message.textContent = text; message.hidden = false; };
  if (typeof DecompressionStream === 'undefined') {
    fail('This browser cannot inflate the embedded figures (it lacks DecompressionStream): open the page ' +
         'in a browser of 2023 or later. The tables are complete without them.');
    return;
  }
  const inflate = async (id) => {
    const text = atob(document.getElementById(id).textContent.trim());
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  };
  try {
    const script = document.createElement('script');
    script.textContent = await inflate('plotly-source');
    document.head.appendChild(script);
    const content = JSON.parse(await inflate('figure-source'));
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const template = (printing) => content.templates[dark.matches && !printing ? 'dark' : 'light'];
    const plots = [];
    for (const [id, figure] of Object.entries(content.figures)) {
      const place = document.getElementById(id);
      figure.layout.template = template(false);
      await Plotly.newPlot(place, {data: figure.data, layout: figure.layout, frames: figure.frames || [],
        config: {responsive: true, displaylogo: false,
                 modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d', 'sendChartToCloud'],
                 toImageButtonOptions: {filename: id, format: 'svg'}}});
      place.removeAttribute('aria-busy');
      plots.push(place);
    }
    const repaint = (printing) => plots.forEach((place) => Plotly.relayout(place,
      {template: template(printing)}));
    dark.addEventListener('change', () => repaint(false));
    addEventListener('beforeprint', () => repaint(true));
    addEventListener('afterprint', () => repaint(false));
    document.documentElement.dataset.figures = 'drawn';
  } catch (error) {
    fail('The figures could not be drawn (' + error + '). The tables are complete without them.');
  }
})();
"""
