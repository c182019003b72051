'use strict';
// What all reports share: elements, plots, tables, and the page around them. The scripts after this one add sections.
const page = (() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const drawn = [];  // every plot: {node, make}, drawn again when the colours change

  // Text only ever goes in as text nodes: no name in a record is read as markup.
  function element(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    }
    for (const child of children.flat()) {
      if (child === null || child === undefined) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }

  // Plotly reads a little markup in its texts.
  const plain = text => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const shortened = (text, length) =>
    text.length <= length ? text : text.slice(0, length / 2 - 1) + '…' + text.slice(1 - length / 2);
  const ending = (text, length) => (text.length <= length ? text : '…' + text.slice(1 - length));
  // A number and its unit stay on one line.
  const unbroken = text => String(text).replace(/(\d) (?=[%A-Za-zµ])/g, '$1\u00a0').replace(/n = (?=\d)/g, 'n\u00a0=\u00a0');
  const runVariable = index => `--run-${index % 8}`;

  function colours(printing) {
    const style = getComputedStyle(document.documentElement);
    const read = name => style.getPropertyValue(name).trim();
    return {
      ink: read('--ink'), soft: read('--soft'), faint: read('--faint'), line: read('--line'), grid: read('--grid'), low: read('--low'),
      card: printing ? '#ffffff' : read('--card'), font: read('--text'),
      run: index => read(runVariable(index)),
    };
  }

  function faded(colour, opacity) {
    const value = parseInt(colour.slice(1), 16);
    return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${opacity})`;
  }

  function baseLayout(theme, height) {
    return {
      height,
      margin: {l: 58, r: 14, t: 12, b: 44},
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
      font: {family: theme.font, size: 12, color: theme.soft},
      hoverlabel: {bgcolor: theme.card, bordercolor: theme.line, font: {color: theme.ink, size: 12}, namelength: -1},
      legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', font: {color: theme.ink}},
      showlegend: false,
      modebar: {bgcolor: 'rgba(0,0,0,0)', color: theme.faint, activecolor: theme.soft},
    };
  }

  function axis(theme, title, more) {
    return Object.assign({
      title: {text: title, standoff: 8, font: {size: 12, color: theme.soft}},
      gridcolor: theme.grid, linecolor: theme.line, zeroline: false, automargin: true, ticks: '',
      hoverformat: '.4~g',
    }, more || {});
  }

  function plot(id, make) {
    const node = element('div', {class: 'plot', id});
    drawn.push({node, make});
    return node;
  }

  // Below this many pixels a chart has no room for long names and charts beside each other.
  const narrow = theme => theme.width < 480;

  function drawAll(printing, within) {
    if (!window.Plotly) return;
    for (const {node, make} of drawn) {
      // What is folded away has no width: it is drawn when it is unfolded.
      if (within && !within.contains(node) || !printing && !node.clientWidth) continue;
      // A4 less its margins: the page itself is laid out for paper only after this.
      const width = printing ? (node.closest('.plots') ? 300 : 650) : node.clientWidth;
      const {traces, layout} = make({...colours(printing), width});
      if (printing) Object.assign(layout, {width, height: Math.min(layout.height, 800)});
      Plotly.react(node, traces, layout, {displaylogo: false, responsive: true, displayModeBar: 'hover',
        modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d']});
      // On paper of another width a chart is scaled, not cut (page.css).
      node.style.setProperty('--ratio', `${width} / ${layout.height}`);
      node.querySelectorAll('.main-svg').forEach(svg => svg.setAttribute('viewBox', `0 0 ${width} ${layout.height}`));
    }
  }

  // The page counts as loaded only when this frame is closed: whoever prints a page once it is loaded gets the charts.
  const waiting = element('iframe', {hidden: ''});
  document.body.append(waiting);
  waiting.contentDocument.open();

  function endWaiting() {
    waiting.contentDocument.close();
    waiting.remove();
  }

  // plotly.js is here as gzip in base64. The tables are shown without waiting for it.
  async function unpackPlotly() {
    const packed = document.getElementById('plotly');
    const bytes = Uint8Array.from(atob(packed.textContent.trim()), letter => letter.charCodeAt(0));
    packed.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const script = document.createElement('script');
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    script.remove();
  }

  function panel(title, note, body) {
    return element('figure', {class: 'panel'},
      element('h3', {}, title), note ? element('p', {class: 'note'}, note) : null, body);
  }

  // ---- tables ----

  const foldable = new Set(['layers', 'kernels']);
  const perRun = new Set(['overview', 'quantized', 'pruned', 'configuration', 'machine']);
  const several = data.runs.length > 1;

  function cell(tag, text, column, extra, style) {
    const classes = [column.right ? 'right' : '', extra || '', style ? 'heat' : ''].filter(Boolean).join(' ');
    return element(tag, {class: classes || null, style}, extra ? text : unbroken(text));
  }

  function tableElement(table) {
    const code = table.id === 'configuration' || table.id === 'machine';
    const named = table.columns.some(column => column.title);
    const head = named ? element('thead', {}, element('tr', {}, table.columns.map((column, place) =>
      element('th', {scope: 'col', class: column.right ? 'right' : null,
                     style: perRun.has(table.id) && place ? `--run: var(${runVariable(place - 1)})` : null},
        perRun.has(table.id) && several && place ? element('span', {class: 'dot'}) : null, column.title)))) : null;
    const total = foldable.has(table.id) || table.id === 'confusion' ? table.rows.length - 1 : -1;
    // A matrix is shaded by the share of each true class.
    const heat = (row, number, place) => {
      const classes = table.rows.length - 1;
      if (table.id !== 'confusion' || number >= classes || place < 1 || place > classes) return null;
      const counts = row.cells.slice(1, classes + 1).map(Number);
      const sum = counts.reduce((a, b) => a + b, 0);
      return sum > 0 ? `--heat: ${(counts[place - 1] / sum).toFixed(3)}` : null;
    };
    const body = element('tbody', {}, table.rows.map((row, number) =>
      element('tr', {class: row.differs ? 'differs' : number === total ? 'total' : null}, row.cells.map((text, place) =>
        place === 0 && perRun.has(table.id) ? element('th', {scope: 'row', class: table.id === 'configuration' ? 'code' : null}, text)
          : cell('td', text, table.columns[place], code && place ? 'code' : '', heat(row, number, place))))));
    return element('div', {class: 'scroll'}, element('table',
      {id: `table-${table.id}`, class: table.columns.length > 7 ? 'columns-many' : null}, head, body));
  }

  function tablePanel(table) {
    // The finding of a sweep stands above its plot.
    const note = table.note && table.id !== 'sweep' && table.id !== 'pruning' ? element('p', {class: 'note'}, table.note) : null;
    if (!foldable.has(table.id)) {
      return element('section', {class: 'panel table-panel'},
        element('div', {class: 'heading'}, element('h3', {}, table.title), note), tableElement(table));
    }
    return element('details', {class: 'panel table-panel', open: ''},
      element('summary', {class: 'heading'}, element('h3', {}, table.title),
        element('span', {class: 'count'}, `${table.rows.length - 1} rows`)), tableElement(table));
  }

  function section(title, ...parts) {
    const shown = parts.flat().filter(Boolean);
    return shown.length ? [element('h2', {}, title), ...shown] : [];
  }

  // ---- the page ----

  const about = [];
  const sections = [];
  const notes = [];

  // Shows what was added, then draws.
  function show() {
    document.getElementById('report').append(...[
      element('header', {}, element('div', {class: 'product'}, 'hone report'),
        element('p', {class: 'names'}, data.title), element('h1', {}, unbroken(data.finding)),
        about.length ? element('p', {class: 'about'}, about.join(' · ')) : null),
      ...sections,
      element('footer', {}, notes.join(' '), ' Charts by plotly.js (MIT licence), contained in this file.'),
    ].flat());

    let wide = window.innerWidth >= 820;
    unpackPlotly().then(() => {
      drawAll(false);
      endWaiting();
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawAll(false));
      // A chart keeps the colours and the width it was drawn with: paper is light and narrower.
      window.addEventListener('beforeprint', () => {
        document.querySelectorAll('details').forEach(node => { node.open = true; });
        drawAll(true);
      });
      window.addEventListener('afterprint', () => drawAll(false));
      window.addEventListener('resize', () => {
        if (wide === (window.innerWidth >= 820)) return;
        wide = !wide;
        drawAll(false);
      });
    }).catch(error => {
      endWaiting();
      document.querySelector('header').append(element('p', {class: 'about'},
        `The charts could not be drawn: this browser does not unpack what is in the page (${error.message}).`));
    });
  }

  return {data, element, plain, shortened, ending, unbroken, runVariable, faded, baseLayout, axis, plot, narrow, drawAll,
    panel, tableElement, tablePanel, section, about, sections, notes, show};
})();
