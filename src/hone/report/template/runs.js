'use strict';
// Reports of runs.
(() => {
  const {data, element, plain, shortened, ending, unbroken, runVariable, faded, baseLayout, axis, plot, narrow,
    panel, tablePanel, section} = page;
  const runs = data.runs;
  const several = runs.length > 1;
  const mostBars = 40;

  // ---- cards ----

  function card(run, index) {
    const facts = run.card;
    const standing = facts.standing === 'none' ? null
      : element('span', {class: `chip ${facts.standing}`}, facts.standing_text);
    const status = element('span', {class: `chip ${run.status}`}, run.status);
    const about = [facts.interval ? `95 %: ${facts.interval}` : 'no interval recorded',
      facts.split, facts.samples ? `${facts.samples} samples` : ''].filter(Boolean).join(' · ');
    const value = facts.accuracy
      ? [several || facts.of ? element('div', {class: 'big'}, facts.accuracy) : null, element('p', {class: 'note'}, `${facts.of || 'accuracy'}, ${unbroken(about)}`)]
      : facts.timed ? null : element('p', {class: 'note'}, 'No accuracy recorded.');
    return element('section', {class: 'card', style: `--run: var(${runVariable(index)})`},
      several ? element('h3', {}, run.name) : null,
      element('div', {class: 'chips'}, status, standing),
      value,
      element('dl', {class: 'facts'}, facts.facts.map(([name, text]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, unbroken(text))))));
  }

  // ---- curves ----

  const stepHover = '%{y:.4~g} at step %{x:,}<extra>%{fullData.name}</extra>';

  function stepPlot(id, key, title, options) {
    if (!runs.some(run => run.curves[key])) return null;
    const make = theme => {
      const faint = [];
      const bold = [];
      runs.forEach((run, index) => {
        const curve = run.curves[key];
        if (!curve) return;
        const smooth = run.curves[`${key}_smooth`];
        const shared = {type: 'scatter', mode: 'lines', name: plain(several ? run.name : 'training'), legendgroup: String(index)};
        if (smooth) {
          faint.push({...shared, x: curve.x, y: curve.y, showlegend: false, hoverinfo: 'skip',
            line: {color: faded(theme.run(index), several ? 0.2 : 0.3), width: 1}});
        }
        const shown = smooth || curve;
        bold.push({...shared, x: shown.x, y: shown.y, hovertemplate: stepHover,
          line: {color: theme.run(index), width: smooth ? 2.2 : 1.8}});
      });
      const judged = options.evaluated ? evaluatedLosses(theme) : [];
      const legend = several || judged.length > 0;
      const layout = Object.assign(baseLayout(theme, 300), {showlegend: legend,
        xaxis: axis(theme, 'step', {tickformat: ',~d'}), yaxis: axis(theme, title, options.axis)});
      if (legend) layout.margin.t = 34;
      return {traces: [...faint, ...bold, ...judged], layout};
    };
    const thinned = runs.some(run => run.curves.steps > data.point_limit)
      ? ` Thinned to ${data.point_limit.toLocaleString('en')} points a curve; extremes are kept.` : '';
    return panel(options.heading, options.note + thinned, plot(id, make));
  }

  const splitDashes = ['dot', 'dash', 'dashdot', 'longdash'];
  const splitSymbols = ['circle', 'diamond', 'square', 'cross'];

  // The losses of the evaluations, beside those of the steps.
  function evaluatedLosses(theme) {
    const splits = [...new Set(runs.flatMap(run => run.evaluations.map(item => item.split)))];
    return runs.flatMap((run, index) => splits.map((split, number) => {
      const points = run.evaluations.filter(item => item.split === split && item.loss !== null);
      if (!points.length) return null;
      const colour = several ? theme.run(index) : theme.run(1 + number);
      return {type: 'scatter', mode: 'lines+markers', x: points.map(point => point.step), y: points.map(point => point.loss),
        name: plain(several ? `${run.name}, ${split}` : split), legendgroup: several ? String(index) : split, showlegend: !several,
        line: {color: colour, width: 1.6, dash: splitDashes[number % 4]},
        marker: {color: colour, size: 8, symbol: splitSymbols[number % 4], line: {color: theme.card, width: 1}},
        hovertemplate: stepHover};
    }).filter(Boolean));
  }

  function smoothNote() {
    const windows = [...new Set(runs.map(run => run.curves.window))].filter(window => window > 1);
    return windows.length ? `Faint: each step. Bold: mean of ${windows.join(' or ')} steps.` : 'Of each step.';
  }

  function accuracyPlot() {
    const splits = [...new Set(runs.flatMap(run => run.evaluations.map(item => item.split)))];
    const series = [];
    runs.forEach((run, index) => splits.forEach((split, number) => {
      const points = run.evaluations.filter(item => item.split === split && item.accuracy !== null);
      if (points.length) series.push({run, index, split, number, points});
    }));
    if (!series.length) return null;
    const byEpoch = series.every(item => item.points.every(point => point.epoch !== null));
    const make = theme => {
      const traces = series.map(({run, index, split, number, points}, place) => {
        // Runs stand a little apart, so that one interval does not hide another.
        const shift = byEpoch ? (place - (series.length - 1) / 2) * 0.03 : 0;
        const colour = several ? theme.run(index) : theme.run(1 + number);
        const gap = (point, bound) => point[bound] === null ? 0 : 100 * Math.abs(point[bound] - point.accuracy);
        return {type: 'scatter', mode: 'lines+markers',
          x: points.map(point => (byEpoch ? point.epoch + shift : point.step)),
          y: points.map(point => 100 * point.accuracy),
          text: points.map(point => plain(`${split}: ${point.text}`)),
          name: plain(several ? run.name : split), legendgroup: String(several ? index : number),
          showlegend: !several || series.findIndex(item => item.index === index) === place,
          line: {color: colour, width: 1.8, dash: several ? splitDashes[number % 4] : 'solid'},
          marker: {color: colour, size: 7, symbol: splitSymbols[number % 4]},
          error_y: {type: 'data', symmetric: false, thickness: 1.4, width: 4, color: colour,
            array: points.map(point => gap(point, 'high')), arrayminus: points.map(point => gap(point, 'low'))},
          hovertemplate: '%{text}<extra>%{fullData.name}</extra>'};
      });
      const layout = Object.assign(baseLayout(theme, 300), {showlegend: traces.length > 1,
        xaxis: axis(theme, byEpoch ? 'epoch' : 'step', {tickformat: ',~r'}),
        yaxis: axis(theme, 'accuracy, %', {tickformat: '.4~r'})});
      const last = Math.max(...series.flatMap(item => item.points.map(point => point.epoch)));
      if (byEpoch && last <= 12) layout.xaxis.dtick = 1;
      if (traces.length > 1) layout.margin.t = 34;
      return {traces, layout};
    };
    const lines = ['dotted', 'dashed', 'dash-dotted', 'long-dashed'];
    const key = several && splits.length > 1
      ? ` Lines: ${splits.map((split, number) => `${split || 'no name'} ${lines[number % 4]}`).join(', ')}.` : '';
    return panel('Accuracy', 'With 95 % intervals.' + key,
      plot('plot-accuracy', make));
  }

  // ---- sweeps ----

  const sweepKinds = [['ptq', 'PTQ', 1, 'diamond'], ['qat', 'QAT', 0, 'circle']];

  // Curves with 95 % bands over `x(row, value)`; the float32 model as a line across.
  function sweepPlot(id, sweep, x, xAxis, hover) {
    return plot(id, theme => {
      const bands = [];
      const lines = [];
      for (const [kind, name, colour, symbol] of sweepKinds) {
        const rows = sweep.rows.filter(row => row[kind] && row[kind].accuracy !== null);
        if (!rows.length) continue;
        const along = rows.map(row => x(row, row[kind]));
        const bound = key => rows.map(row => 100 * (row[kind][key] === null ? row[kind].accuracy : row[kind][key]));
        bands.push({type: 'scatter', mode: 'lines', fill: 'toself', hoverinfo: 'skip', showlegend: false, legendgroup: kind,
          x: [...along, ...[...along].reverse()], y: [...bound('high'), ...bound('low').reverse()],
          line: {width: 0}, fillcolor: faded(theme.run(colour), 0.2)});
        lines.push({type: 'scatter', mode: 'lines+markers', name, legendgroup: kind, x: along,
          y: rows.map(row => 100 * row[kind].accuracy), text: rows.map(row => plain(hover(row, row[kind]))),
          line: {color: theme.run(colour), width: 2}, marker: {color: theme.run(colour), size: 7, symbol},
          hovertemplate: '%{text}<extra>%{fullData.name}</extra>'});
      }
      const layout = Object.assign(baseLayout(theme, 360), {showlegend: true, xaxis: xAxis(theme),
        yaxis: axis(theme, 'accuracy, %', {tickformat: '.4~r'})});
      layout.margin.t = 34;
      acrossLine(theme, layout, sweep.base && 100 * sweep.base.accuracy, value => `float32 ${value.toFixed(2)} %`);
      return {traces: [...bands, ...lines], layout};
    });
  }

  function sweepPanels(run, index) {
    const sweep = run.sweep;
    if (!sweep || !sweep.rows.length) return [];
    const widths = sweep.rows.map(row => row.width);
    const of = several ? ` of ${run.name}` : '';
    const edges = [Math.log10(widths[0]) - 0.03, Math.log10(widths[widths.length - 1]) + 0.03];
    const byWidth = sweepPlot(`plot-sweep-${index}`, sweep, row => row.width,
      theme => axis(theme, 'bits a number', {type: 'log', tickvals: widths, ticktext: widths.map(String), range: edges}),
      (row, value) => `${row.width} bits: ${value.text}`);
    const mebi = 1048576;
    const bySize = sweepPlot(`plot-sweep-size-${index}`, sweep, (row, value) => value.bytes / mebi,
      theme => axis(theme, 'size of the packed model, MiB', {tickformat: '~g'}),
      (row, value) => `${value.size} (${row.width} bits): ${value.text}`);
    return [panel(`Accuracy by width${of}`, `Bands: 95 % intervals. ${sweep.finding}`, byWidth),
      panel(`Accuracy by size${of}`, 'All parameters, also those that stay float32.' +
        (sweep.base ? ` The float32 model takes ${unbroken(sweep.base.size)}.` : ''), bySize)];
  }

  // Curves over the sparsity: after training with 95 % bands, before it dotted; the float model as a line across.
  function pruningPlot(id, pruning) {
    return plot(id, theme => {
      const bands = [];
      const lines = [];
      pruning.curves.forEach((curve, index) => {
        for (const kind of ['tuned', 'pruned']) {
          const rows = curve.rows.filter(row => row[kind] && row[kind].accuracy !== null);
          if (!rows.length) continue;
          const tuned = kind === 'tuned';
          const along = rows.map(row => 100 * row.sparsity);
          const bound = key => rows.map(row => 100 * (row[kind][key] === null ? row[kind].accuracy : row[kind][key]));
          if (tuned) {
            bands.push({type: 'scatter', mode: 'lines', fill: 'toself', hoverinfo: 'skip', showlegend: false,
              legendgroup: curve.name, x: [...along, ...[...along].reverse()], y: [...bound('high'), ...bound('low').reverse()],
              line: {width: 0}, fillcolor: faded(theme.run(index), 0.2)});
          }
          lines.push({type: 'scatter', mode: 'lines+markers', name: plain(curve.name), legendgroup: curve.name,
            showlegend: tuned || !curve.rows.some(row => row.tuned), x: along, y: rows.map(row => 100 * row[kind].accuracy),
            text: rows.map(row => plain(`${+(100 * row.sparsity).toFixed(4)} %, ${tuned ? 'after' : 'before'} training: ${row[kind].text}`)),
            line: {color: theme.run(index), width: tuned ? 2 : 1.2, dash: tuned ? 'solid' : 'dot'},
            marker: {color: theme.run(index), size: tuned ? 7 : 4, symbol: splitSymbols[index % 4]},
            hovertemplate: '%{text}<extra>%{fullData.name}</extra>'});
        }
      });
      const layout = Object.assign(baseLayout(theme, 380), {showlegend: true,
        xaxis: axis(theme, 'pruned, %', {tickformat: '~g'}), yaxis: axis(theme, 'accuracy, %', {tickformat: '.4~r'})});
      layout.margin.t = 34;
      acrossLine(theme, layout, pruning.base && 100 * pruning.base.accuracy, value => `float32 ${value.toFixed(2)} %`);
      return {traces: [...bands, ...lines], layout};
    });
  }

  // A dashed line across a chart, named.
  function acrossLine(theme, layout, value, name) {
    if (value === null || value === undefined) return;
    layout.shapes = [{type: 'line', xref: 'paper', x0: 0, x1: 1, y0: value, y1: value,
      line: {color: theme.soft, width: 1.2, dash: 'dash'}}];
    layout.annotations = [{xref: 'paper', x: 0.01, xanchor: 'left', y: value, yanchor: 'bottom', showarrow: false,
      text: name(value), font: {size: 11, color: theme.soft}}];
  }

  // One measured number of each point over the sparsity.
  function pruningCostPlot(id, pruning, title, value, text, across, name) {
    if (!pruning.curves.some(curve => curve.rows.some(row => row.speed && value(row.speed) !== null))) return null;
    return plot(id, theme => {
      const traces = pruning.curves.map((curve, index) => {
        const rows = curve.rows.filter(row => row.speed && value(row.speed) !== null);
        return {type: 'scatter', mode: 'lines+markers', name: plain(curve.name), x: rows.map(row => 100 * row.sparsity),
          y: rows.map(row => value(row.speed)), text: rows.map(row => plain(text(row))),
          line: {color: theme.run(index), width: 1.8},
          marker: {color: theme.run(index), size: 7, symbol: splitSymbols[index % 4]},
          hovertemplate: '%{text}<extra>%{fullData.name}</extra>'};
      }).filter(trace => trace.x.length);
      const layout = Object.assign(baseLayout(theme, 340), {showlegend: true,
        xaxis: axis(theme, 'pruned, %', {tickformat: '~g'}), yaxis: axis(theme, title, {tickformat: '~g', rangemode: 'tozero'})});
      layout.margin.t = 34;
      acrossLine(theme, layout, across, name);
      return {traces, layout};
    });
  }

  function pruningPanels(run, index) {
    const pruning = run.pruning;
    if (!pruning || !pruning.curves.length) return [];
    const of = several ? ` of ${run.name}` : '';
    const mebi = 1048576;
    // Each point against the float model that was measured in turn with it: a machine is not as fast at every hour.
    const timed = speed => speed.latency !== null && speed.float_latency !== null;
    const milliseconds = seconds => `${(1e3 * seconds).toPrecision(3)} ms`;
    const latency = pruningCostPlot(`plot-pruning-latency-${index}`, pruning, 'latency, % of float32',
      speed => timed(speed) ? 100 * speed.latency / speed.float_latency : null,
      row => `${+(100 * row.sparsity).toFixed(4)} %: ${milliseconds(row.speed.latency)}, float32 ${milliseconds(row.speed.float_latency)}; ${row.speed.speed}`,
      100, () => 'float32');
    const size = pruningCostPlot(`plot-pruning-size-${index}`, pruning, 'MiB on disk',
      speed => speed.bytes === null ? null : speed.bytes / mebi,
      row => `${+(100 * row.sparsity).toFixed(4)} %: ${row.speed.size}`, pruning.base && pruning.base.bytes / mebi, () => `float32 ${pruning.base.size}`);
    return [panel(`Accuracy by sparsity${of}`, `Lines: after training, with 95 % bands. Dotted: before it. ${pruning.finding}`,
      pruningPlot(`plot-pruning-${index}`, pruning)),
      latency ? panel(`Latency by sparsity${of}`, 'Measured for one sample, in turn with the float model.', latency) : null,
      size ? panel(`Size by sparsity${of}`, 'Of the tensors as they are saved.', size) : null];
  }

  // Curves over the sizes of a timing experiment, both axes logarithmic.
  function benchPlot(id, chart, title, value, text) {
    const places = [...new Set(chart.curves.flatMap(curve => curve.rows.map(row => row.at)))].sort((a, b) => a - b);
    const values = chart.curves.flatMap(curve => curve.rows.map(value)).filter(number => number > 0);
    if (!values.length) return null;
    const decades = Math.log10(Math.max(...values) / Math.min(...values));
    return plot(id, theme => {
      const traces = chart.curves.map((curve, index) => {
        const rows = curve.rows.filter(row => value(row) > 0);
        return {type: 'scatter', mode: 'lines+markers', name: plain(curve.name), x: rows.map(row => row.at),
          y: rows.map(value), text: rows.map(row => plain(text(row))), line: {color: theme.run(index), width: 1.8},
          marker: {color: theme.run(index), size: 7, symbol: splitSymbols[index % 4]},
          hovertemplate: '%{text}<extra>%{fullData.name}</extra>'};
      }).filter(trace => trace.x.length);
      const layout = Object.assign(baseLayout(theme, 360), {showlegend: true,
        xaxis: axis(theme, chart.axis, {type: 'log', tickvals: places, ticktext: places.map(String)}),
        yaxis: axis(theme, title, {type: 'log', tickformat: '~g', dtick: decades > 3 ? 1 : 'D2'})});
      layout.margin.t = 34;
      return {traces, layout};
    });
  }

  function benchPanels(run, index) {
    if (!run.bench) return [];
    const of = several ? ` of ${run.name}` : '';
    return run.bench.charts.flatMap((chart, number) => {
      const times = benchPlot(`plot-bench-${index}-${number}`, chart, 'milliseconds', row => 1e3 * row.median, row => row.text);
      const memory = benchPlot(`plot-bench-memory-${index}-${number}`, chart, 'MiB',
        row => row.bytes / 1048576, row => row.size);
      return [times ? panel(`Time, ${chart.what}${of}`, 'Medians; both axes are logarithmic.', times) : null,
        memory ? panel(`Memory, ${chart.what}${of}`, 'Beside inputs and weights.', memory) : null];
    });
  }

  // Accuracy against size, from stage to stage.
  function compressionPanels(run, index) {
    const stages = run.compression;
    if (!stages || stages.rows.length < 2) return [];
    const mebi = 1048576;
    const rows = stages.rows.filter(row => row.value && row.value.accuracy !== null && row.bytes !== null);
    const label = row => (row.number ? `${row.number}. ${row.title}` : row.title);
    const body = plot(`plot-compression-${index}`, theme => {
      const gap = (row, bound) => row.value[bound] === null ? 0 : 100 * Math.abs(row.value[bound] - row.value.accuracy);
      const trace = {type: 'scatter', mode: 'lines+markers+text', x: rows.map(row => row.bytes / mebi),
        y: rows.map(row => 100 * row.value.accuracy), text: rows.map(row => String(row.number)), textposition: 'top center',
        textfont: {color: theme.ink, size: 12},
        customdata: rows.map(row => plain(`${label(row)}: ${row.value.text}, ${row.size}`)),
        line: {color: theme.run(index), width: 1.4, dash: 'dot'}, marker: {color: theme.run(index), size: 8},
        error_y: {type: 'data', symmetric: false, thickness: 1.4, width: 4, color: theme.run(index),
          array: rows.map(row => gap(row, 'high')), arrayminus: rows.map(row => gap(row, 'low'))},
        hovertemplate: '%{customdata}<extra></extra>'};
      const layout = Object.assign(baseLayout(theme, 340), {
        xaxis: axis(theme, 'MiB on disk', {tickformat: '~g', rangemode: 'tozero'}),
        yaxis: axis(theme, 'accuracy, %', {tickformat: '.4~r'})});
      return {traces: [trace], layout};
    });
    return [panel(several ? `Stages of ${run.name}` : 'Accuracy and size, stage by stage',
      `With 95 % intervals. ${rows.map(label).join(' → ')}.`, body)];
  }

  // ---- bars ----

  // Rows of names down the side, one group of bars for each of `measures`, a bar a run in each row.
  function barLayout(theme, names, groups) {
    const layout = Object.assign(baseLayout(theme, 64 + names.length * (13 + 9 * Math.min(groups, 4))), {
      bargap: 0.28, barmode: 'group', showlegend: groups > 1,
      yaxis: axis(theme, '', {tickvals: names.map((_, i) => i),
        ticktext: names.map(name => plain(narrow(theme) ? ending(name, 20) : shortened(name, 44))),
        range: [names.length - 0.4, -0.6], tickfont: {size: 11, color: theme.ink}, showgrid: false}),
    });
    if (groups > 1) Object.assign(layout.legend, {y: 1, yref: 'paper', traceorder: 'normal'});
    layout.margin.t = groups > 1 ? 34 : 8;
    return layout;
  }

  // Runs of the same network share their bars.
  function networks() {
    const groups = new Map();
    runs.forEach((run, index) => {
      if (!run.layers.length) return;
      const key = JSON.stringify(run.layers);
      if (!groups.has(key)) groups.set(key, {layers: run.layers, names: [], index});
      groups.get(key).names.push(run.name);
    });
    return [...groups.values()].map(group => ({...group, name: shortened(group.names.join(', '), 60)}));
  }

  function layersPlot() {
    const shown = networks();
    const largest = new Map();  // in the order of the network
    shown.forEach(run => run.layers.forEach(layer =>
      largest.set(layer.name, Math.max(largest.get(layer.name) || 0, layer.bytes || 0, layer.macs || 0))));
    if (!largest.size) return null;
    let names = [...largest.keys()];
    const all = names.length;
    if (all > mostBars) {
      const kept = new Set([...names].sort((a, b) => largest.get(b) - largest.get(a)).slice(0, mostBars));
      names = names.filter(name => kept.has(name));
    }
    const mebi = 1048576;
    const measures = [['parameters', 'parameters', 1], ['bytes', 'MiB', mebi], ['macs', 'MACs a token', 1]]
      .filter(([key]) => shown.some(run => run.layers.some(layer => layer[key] !== null)));
    if (!measures.length) return null;
    const make = theme => {
      const traces = [];
      const layout = barLayout(theme, names, shown.length);
      layout.margin.b = 52;
      // Beside each other with one list of names, or below each other.
      const stacked = narrow(theme) && measures.length > 1;
      const names_axis = layout.yaxis;
      if (stacked) layout.height = 40 + (layout.height - 10) * measures.length;
      measures.forEach(([key, title, unit], column) => {
        const suffix = column ? String(column + 1) : '';
        const left = column / measures.length;
        const right = (column + 1) / measures.length;
        const gap = 46 / layout.height;
        layout[`xaxis${suffix}`] = axis(theme, title,
          {domain: stacked ? [0, 1] : [left + (column ? 0.015 : 0), right - 0.015], anchor: stacked ? `y${suffix}` : 'y',
           nticks: 5, tickformat: unit === 1 ? '.3~s' : '~g', side: 'bottom', rangemode: 'tozero'});
        if (stacked) layout[`yaxis${suffix}`] = {...names_axis, anchor: `x${suffix}`,
          domain: [1 - right + (column + 1 < measures.length ? gap : 0), 1 - left]};
        shown.forEach(run => {
          const by = new Map(run.layers.map(layer => [layer.name, layer]));
          traces.push({type: 'bar', orientation: 'h', xaxis: `x${suffix}`, yaxis: stacked ? `y${suffix}` : 'y',
            y: names.map((_, i) => i), x: names.map(name => (by.has(name) && by.get(name)[key] !== null ? by.get(name)[key] / unit : null)),
            name: plain(run.name), legendgroup: String(run.index), showlegend: column === 0,
            offsetgroup: String(run.index), marker: {color: theme.run(run.index)},
            customdata: names.map(name => plain(name)),
            hovertemplate: `%{customdata}: %{x:.3~s} ${title}<extra></extra>`});
        });
      });
      return {traces, layout};
    };
    const cut = all > mostBars ? ` The ${mostBars} largest of ${all} layers; the table holds all.` : '';
    return panel('Cost by layer', 'In the order of the network.' + cut, plot('plot-layers', make));
  }

  function kernelsPlot() {
    const key = row => `${row.kernel}\u0000${row.op}`;
    const largest = new Map();
    const label = new Map();
    runs.forEach(run => run.kernels.forEach(row => {
      largest.set(key(row), Math.max(largest.get(key(row)) || 0, row.seconds));
      label.set(key(row), row.op && row.op !== row.kernel ? `${row.kernel} · ${row.op}` : row.kernel);
    }));
    if (!largest.size) return null;
    const sorted = [...largest.keys()].sort((a, b) => largest.get(b) - largest.get(a));
    const kept = sorted.slice(0, mostBars);
    const names = kept.map(item => label.get(item));
    const make = theme => {
      const layout = barLayout(theme, names, runs.length);
      layout.xaxis = axis(theme, 'seconds in all calls', {rangemode: 'tozero', tickformat: '~g'});
      layout.margin.r = 60;
      const traces = runs.map((run, index) => {
        const by = new Map(run.kernels.map(row => [key(row), row]));
        const rows = kept.map(item => by.get(item));
        return {type: 'bar', orientation: 'h', y: names.map((_, i) => i), x: rows.map(row => (row ? row.seconds : null)),
          name: plain(run.name), offsetgroup: String(index), marker: {color: theme.run(index)}, cliponaxis: false,
          text: rows.map(row => (row ? `${(100 * row.share).toFixed(1)} %` : '')), textposition: 'outside',
          textfont: {size: 10, color: theme.soft}, constraintext: 'none',
          customdata: rows.map((row, i) => (row ? `${plain(names[i])}: ${plain(row.time)}, ${plain(row.gflops)} GFLOP/s` : '')),
          hovertemplate: '%{customdata}<extra>%{fullData.name}</extra>'};
      });
      return {traces, layout};
    };
    const cut = sorted.length > mostBars ? ` The ${mostBars} longest of ${sorted.length}; the table holds all.` : '';
    return panel('Time by kernel', 'Beside each bar: its share of the time in kernels.' + cut, plot('plot-kernels', make));
  }

  const tables = id => data.tables.filter(table => table.id === id).map(tablePanel);

  // ---- the page ----

  const models = [...new Set(runs.map(run => run.model).filter(Boolean))];
  const started = runs.map(run => run.started).filter(Boolean).sort()[0];
  const about = [several ? `${runs.length} runs` : '', models.join(', '), started ? `started ${started}` : '']
    .filter(Boolean);
  const curves = [
    stepPlot('plot-loss', 'loss', 'loss', {heading: 'Loss', evaluated: true, axis: {rangemode: 'tozero'},
      note: smoothNote() + (runs.some(run => run.evaluations.some(item => item.loss !== null))
        ? ' Marks: the losses of the evaluations.' : '')}),
    accuracyPlot(),
    stepPlot('plot-lr', 'lr', 'learning rate', {heading: 'Learning rate', note: 'As the schedule gave it.',
      axis: {rangemode: 'tozero', exponentformat: 'power', tickformat: '.2~g'}}),
    stepPlot('plot-grad-norm', 'grad_norm', 'gradient norm', {heading: 'Gradient norm',
      note: `Global, logarithmic. ${smoothNote()}`, axis: {type: 'log', dtick: 1}}),
  ].filter(Boolean);

  page.about.push(...about);
  page.sections.push(
    element('div', {class: 'cards'}, runs.map(card)),
    ...section('Widths', runs.flatMap(sweepPanels), tables('sweep')),
    ...section('Sparsities', runs.flatMap(pruningPanels), tables('pruning')),
    ...section('Compression', runs.flatMap(compressionPanels), tables('compression')),
    ...section('Times', runs.flatMap(benchPanels), tables('bench')),
    ...section('Training', curves.length ? element('div', {class: 'plots'}, curves) : null),
    ...section('Quantization', tables('quantized')),
    ...section('Pruning', tables('pruned'), tables('pruned-latency'), tables('pruned-weights')),
    ...section('Classes', tables('confusion'), tables('classes')),
    ...section('Numbers', tables('overview'), tables('evaluations')),
    ...section('Configuration', tables('configuration')),
    ...section('Layers', layersPlot(), tables('layers')),
    ...section('Time', kernelsPlot(), tables('kernels')),
    ...section('Where it ran', tables('machine')));
  page.notes.push('Every number comes from the records named above. Intervals are 95 % Wilson intervals.');
})();
