'use strict';
// Reports of studies.
(() => {
  const {data, element, plain, shortened, ending, unbroken, runVariable, faded, baseLayout, axis, plot, narrow, drawAll,
    panel, tablePanel, section} = page;
  const studies = data.studies.studies;
  const curves = data.studies.curves;
  const several = studies.length > 1;
  // A study has the colour of its curve; those that differ only in their seeds share one.
  const colourOf = studies.map((_, index) => curves.findIndex(curve => curve.members.includes(index)));
  const dashes = ['solid', 'dash', 'dot', 'dashdot'];
  // Viridis, even in grey and to colour-blind eyes, without its end that the page's background swallows.
  const viridis = ['#440154', '#482777', '#3f4a8a', '#31678e', '#26838f', '#1f9d8a', '#3fbc73', '#6cce5a', '#a0da39', '#d5e21a', '#fde725'];
  const isDark = theme => parseInt(theme.card.slice(1, 3), 16) < 128;
  const colours = theme => (isDark(theme) ? viridis.slice(2) : viridis.slice(0, 9));
  const scaleOf = theme => colours(theme).map((colour, index, all) => [index / (all.length - 1), colour]);
  const mostAxes = 9;  // of parallel coordinates

  const known = value => value !== null && value !== undefined;
  const sum = values => values.reduce((a, b) => a + b, 0);

  // ---- units ----

  // What numbers of an objective are multiplied by, and how its axis is called.
  function unitOf(objective, values) {
    const largest = Math.max(0, ...values.filter(known).map(Math.abs));
    const steps = (list) => list.find(([least]) => largest >= least) || list[list.length - 1];
    switch (objective.unit) {
      case 'share': return {factor: 100, title: `${objective.name}, %`, format: '.4~r'};
      case 'bytes': {
        const [, factor, unit] = steps([[1 << 30, 1 << 30, 'GiB'], [1 << 20, 1 << 20, 'MiB'], [1024, 1024, 'KiB'], [0, 1, 'B']]);
        return {factor: 1 / factor, title: `${objective.name}, ${unit}`, format: '~g'};
      }
      case 'seconds': {
        const [, factor, unit] = steps([[1, 1, 's'], [1e-3, 1e3, 'ms'], [0, 1e6, 'µs']]);
        return {factor, title: `${objective.name}, ${unit}`, format: '~g'};
      }
      case 'count': return {factor: 1, title: objective.name, format: '.3~s'};
      default: return {factor: 1, title: objective.name, format: ''};
    }
  }

  function timeUnit(seconds) {
    if (seconds >= 3 * 3600) return {factor: 1 / 3600, title: 'hours since the study began'};
    if (seconds >= 180) return {factor: 1 / 60, title: 'minutes since the study began'};
    return {factor: 1, title: 'seconds since the study began'};
  }

  const scaled = (values, unit) => values.map(value => (known(value) ? value * unit.factor : null));
  const unitAxis = (theme, unit, more) => axis(theme, unit.title, {tickformat: unit.format, ...more});

  // ---- parameters as axes ----

  const logarithm = Math.log10;
  const along = (parameter, value) => (known(value) ? (parameter.log ? logarithm(value) : value) : null);
  const short = (value, digits) => {
    const size = Math.abs(value);
    if (size && (size < 1e-3 || size >= 1e6)) return Number(value).toExponential((digits || 3) - 1).replace(/\.?0*e\+?/, 'e');
    return String(+Number(value).toPrecision(digits || (size >= 1000 ? 6 : 3)));
  };
  const nameOf = (parameter, value) => (!known(value) ? 'absent' : parameter.choices.length ? parameter.choices[value] : short(value));

  // Names of parameters for axes: without the parts in front and at the end that all names with a point share
  // (encoder.layer.3.query.format: layer.3.query).
  function nameAxes(parameters) {
    const parts = parameters.map(one => one.name.split('.'));
    const long = parts.filter(one => one.length > 1);
    const shared = at => (long.length > 1 && long.every(one => one.length > 1 && one.at(at) === long[0].at(at)));
    let [front, back] = [0, 0];
    while (shared(front) && long.every(one => one.length > front + 1)) ++front;
    while (shared(-1 - back) && long.every(one => one.length > front + back + 1)) ++back;
    const names = parts.map(one => (one.length > 1 ? one.slice(front, one.length - back).join('.') : one[0]));
    // (A number says more behind its word: layer.3.)
    while (front && names.some(name => /^\d/.test(name))) {
      --front;
      parts.forEach((one, index) => { if (one.length > 1) names[index] = `${one[front]}.${names[index]}`; });
    }
    const good = new Set(names).size === names.length && names.every(Boolean);
    parameters.forEach((one, index) => { one.label = good ? names[index] : one.name; });
  }
  studies.forEach(study => nameAxes(study.parameters));

  const isLong = texts => sum(texts.map(text => text.length)) > 30;

  // Places of ticks along a parameter and their texts.
  function ticks(parameter) {
    if (parameter.choices.length) return parameter.choices.map((choice, index) => [index, shortened(choice, 16)]);
    if (parameter.log && parameter.low > 0 && parameter.high > parameter.low) {
      const decades = logarithm(parameter.high / parameter.low);
      const inside = [];
      const multiples = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.5 ? [1, 3] : [1];
      for (let power = Math.floor(logarithm(parameter.low)); power <= Math.ceil(logarithm(parameter.high)); ++power) {
        for (const multiple of multiples) {
          const value = multiple * 10 ** power;
          if (value >= parameter.low * 0.999 && value <= parameter.high * 1.001) inside.push([logarithm(value), short(value)]);
        }
      }
      const every = Math.ceil(inside.length / 6);
      return inside.filter((_, index) => index % every === 0);
    }
    return null;
  }

  function parameterAxis(theme, parameter, more) {
    const marks = ticks(parameter);
    const low = along(parameter, parameter.low);
    const high = along(parameter, parameter.high);
    const pad = Math.max((high - low) * 0.04, 1e-12);
    const range = parameter.choices.length ? [-0.5, parameter.choices.length - 0.5] : [low - pad, high + pad];
    const long = marks && isLong(marks.map(([, text]) => text));
    return axis(theme, plain(ending(parameter.label, 34)), {range, ...(marks
      ? {tickvals: marks.map(([at]) => at), ticktext: marks.map(([, text]) => plain(text)), tickangle: long ? -35 : 0}
      : {tickformat: parameter.integer ? 'd' : '~g', nticks: 6}), ...more});
  }

  // ---- charts of several small ones ----

  // Where each of `count` charts stands: domains of x and y, from the top left.
  function grid(theme, count, rowHeight, gapWidth, gapHeight) {
    const columns = Math.min(narrow(theme) ? 1 : theme.width < 760 ? 2 : 3, count);
    const rows = Math.ceil(count / columns);
    const height = rows * rowHeight + 20;
    const usable = height - 56;
    const gap = gapHeight / usable;
    const cell = (1 - gap * (rows - 1)) / rows;
    const wide = (1 - gapWidth * (columns - 1)) / columns;
    const places = Array.from({length: count}, (_, index) => {
      const column = index % columns;
      const row = Math.floor(index / columns);
      const left = column * (wide + gapWidth);
      const bottom = 1 - row * (cell + gap) - cell;
      return {column, suffix: index ? String(index + 1) : '', x: [left, Math.min(1, left + wide)], y: [Math.max(0, bottom), Math.min(1, bottom + cell)]};
    });
    return {height, places};
  }

  // ---- of all studies ----

  const sameObjectives = studies.every(study => JSON.stringify(study.objectives.map(({name, maximize}) => [name, maximize])) ===
    JSON.stringify(studies[0].objectives.map(({name, maximize}) => [name, maximize])));

  function progressPlot(id, key, title, note) {
    const single = studies[0].objectives.length === 1;
    const shown = curves.filter(curve => curve[key].x.length);
    if (!shown.length) return null;
    const objective = studies[0].objectives[0];
    const unit = single ? unitOf(objective, shown.flatMap(curve => curve[key].mean)) : {factor: 1, title: 'hypervolume, share', format: '.3~f'};
    const last = curve => curve[key].mean[curve[key].mean.length - 1];
    const worse = single && !objective.maximize ? 1 : -1;
    const sorted = [...shown].sort((a, b) => worse * (last(a) - last(b)));
    const long = sorted.length > 4;
    const time = key === 'by_time' ? timeUnit(Math.max(...shown.map(curve => curve[key].x[curve[key].x.length - 1]))) : null;
    const end = Math.max(...shown.map(curve => curve[key].x[curve[key].x.length - 1])) * (time ? time.factor : 1);
    const make = theme => {
      const bands = [];
      const lines = [];
      for (const curve of sorted) {
        const of = curve[key];
        const x = time ? of.x.map(value => value * time.factor) : of.x;
        const colour = theme.run(curve.index);
        if (curve.band) {
          // Steps, as the line is.
          const stepped = values => values.flatMap((value, i) => (i ? [values[i - 1] * unit.factor, value * unit.factor] : [value * unit.factor]));
          const places = x.flatMap((value, i) => (i ? [value, value] : [value]));
          bands.push({type: 'scatter', mode: 'lines', fill: 'toself', hoverinfo: 'skip', showlegend: false, legendgroup: String(curve.index),
            x: [...places, ...[...places].reverse()], y: [...stepped(of.high), ...stepped(of.low).reverse()],
            line: {width: 0}, fillcolor: faded(colour, 0.16)});
        }
        lines.push({type: 'scatter', mode: x.length > 1 ? 'lines' : 'markers', name: plain(shortened(curve.name, 36)), legendgroup: String(curve.index),
          x, y: scaled(of.mean, unit), line: {color: colour, width: 2, shape: 'hv', dash: dashes[Math.floor(curve.index / 8) % 4]},
          marker: {color: colour, size: 8},
          hovertemplate: `%{y:.5~g} ${time ? 'after %{x:.3~g}' : 'after %{x} trials'}<extra>%{fullData.name}</extra>`});
      }
      const layout = Object.assign(baseLayout(theme, long ? Math.max(400, 100 + 30 * sorted.length) : 320), {showlegend: several,
        xaxis: axis(theme, time ? time.title : 'trials', {range: [0, 1.02 * end], tickformat: time ? '~g' : 'd'}), yaxis: unitAxis(theme, unit)});
      if (several && long && !narrow(theme)) layout.legend = {orientation: 'v', x: 1.01, y: 1, xanchor: 'left', yanchor: 'top', font: {color: theme.ink, size: 11}};
      else if (several) layout.margin.t = 34;
      // First trials may be far away: what the curves come to is what is compared.
      const settled = shown.flatMap(curve => curve[key].mean.slice(Math.min(3, curve[key].mean.length - 1)));
      const bounds = curve => [...curve[key].low, ...curve[key].high];
      const all = shown.flatMap(bounds);
      const [least, most] = [Math.min(...settled), Math.max(...settled)];
      if (shown.length > 1 && most > least && Math.max(...all) - Math.min(...all) > 4 * (most - least)) {
        const pad = (most - least) * 0.08;
        layout.yaxis.range = [(worse < 0 ? least : Math.min(...all)) - pad, (worse < 0 ? Math.max(...all) : most) + pad].map(value => value * unit.factor);
      }
      return {traces: [...bands, ...lines], layout};
    };
    return panel(title, note, plot(id, make));
  }

  function progressPanels() {
    if (!sameObjectives) return null;
    const band = curves.some(curve => curve.band) ? ' Studies that differ only in their seeds: mean, and from the worst to the best of them.' : '';
    const what = studies[0].objectives.length === 1 ? `The best ${studies[0].objectives[0].name} of complete trials so far.`
      : 'The share of the box from the best to beyond the worst of each objective that the Pareto front dominates.';
    const plots = [progressPlot('plot-best-by-trial', 'by_trial', 'Best so far, by trial', what + band),
      progressPlot('plot-best-by-time', 'by_time', 'Best so far, by time', 'By when trials ended.' + band)].filter(Boolean);
    return curves.length > 4 ? plots : element('div', {class: 'plots'}, plots);
  }

  // ---- Pareto fronts ----

  // Pairs of objectives of some studies: their trials, and their fronts with 95 % intervals.
  function frontPlots(id, shown, title) {
    const objectives = shown[0].study.objectives;
    const pairs = [];
    for (let i = 0; i < objectives.length; ++i) for (let j = i + 1; j < objectives.length; ++j) pairs.push([i, j]);
    const all = shown.flatMap(({study}) => study.trials.filter(trial => trial.state === 'COMPLETE'));
    if (!all.length || !pairs.length) return null;
    return pairs.slice(0, 6).map(([first, second], place) => {
      // What costs (bytes, latency) goes to the right.
      const [x, y] = objectives[first].maximize && !objectives[second].maximize ? [second, first] : [first, second];
      const ofX = unitOf(objectives[x], all.map(trial => trial.values[x]));
      const ofY = unitOf(objectives[y], all.map(trial => trial.values[y]));
      const make = theme => {
        const traces = [];
        shown.forEach(({study, index}) => {
          const colour = theme.run(index);
          const others = study.trials.filter(trial => trial.state === 'COMPLETE' && trial.standing !== 'best');
          const front = study.trials.filter(trial => trial.standing === 'best').sort((a, b) => a.values[x] - b.values[x]);
          const hover = trial => plain(`trial ${trial.number}: ${objectives.map((one, i) => `${one.name} ${trial.shown[i]}`).join(', ')}`);
          traces.push({type: 'scatter', mode: 'markers', name: plain(study.name), legendgroup: String(index), showlegend: false,
            x: scaled(others.map(trial => trial.values[x]), ofX), y: scaled(others.map(trial => trial.values[y]), ofY),
            marker: {color: faded(colour, 0.35), size: 6}, text: others.map(hover), hovertemplate: '%{text}<extra></extra>'});
          const error = (axisIndex, unit) => ({type: 'data', symmetric: false, thickness: 1.2, width: 3, color: colour,
            visible: front.some(trial => trial.intervals[axisIndex]),
            array: front.map(trial => (trial.intervals[axisIndex] ? (trial.intervals[axisIndex][1] - trial.values[axisIndex]) * unit.factor : 0)),
            arrayminus: front.map(trial => (trial.intervals[axisIndex] ? (trial.values[axisIndex] - trial.intervals[axisIndex][0]) * unit.factor : 0))});
          traces.push({type: 'scatter', mode: objectives.length === 2 ? 'lines+markers' : 'markers', name: plain(shown.length > 1 ? study.name : 'Pareto front'),
            legendgroup: String(index), x: scaled(front.map(trial => trial.values[x]), ofX), y: scaled(front.map(trial => trial.values[y]), ofY),
            // (The front is a staircase: nothing between two of its points is reached.)
            line: {color: colour, width: 1.6, shape: objectives[x].maximize ? 'vh' : 'hv', dash: dashes[Math.floor(index / 8) % 4]}, marker: {color: colour, size: 8},
            error_x: error(x, ofX), error_y: error(y, ofY), text: front.map(hover), hovertemplate: '%{text}<extra>%{fullData.name}</extra>'});
        });
        const layout = Object.assign(baseLayout(theme, 380), {showlegend: shown.length > 1, xaxis: unitAxis(theme, ofX), yaxis: unitAxis(theme, ofY)});
        if (shown.length > 1) layout.margin.t = 34;
        return {traces, layout};
      };
      const intervals = all.some(trial => trial.intervals.some(Boolean)) ? ' Bars: 95 % intervals; of a measured latency its 10th to 90th percentile.' : '';
      return panel(pairs.length > 1 ? `${title}: ${objectives[y].name} and ${objectives[x].name}` : title,
        `Strong: trials that no other is better than; faint: all other complete ones.${intervals}`, plot(`${id}-${place}`, make));
    });
  }

  // ---- one study ----

  function studyParts(study, index) {
    const state = {objective: 0};
    const colour = colourOf[index];
    const id = name => `plot-${name}-${index}`;
    const complete = study.trials.filter(trial => trial.state === 'COMPLETE');
    const values = () => complete.map(trial => trial.values[state.objective]);
    const objective = () => study.objectives[state.objective];
    const unit = () => unitOf(objective(), values());
    const effects = () => study.effects[state.objective];
    const best = () => study.trials.filter(trial => trial.standing === 'best');
    const hover = trial => plain(`trial ${trial.number}: ${study.objectives.map((one, i) => `${one.name} ${trial.shown[i] || '–'}`).join(', ')}`);
    const nothing = theme => ({traces: [], layout: Object.assign(baseLayout(theme, 80), {
      xaxis: {visible: false}, yaxis: {visible: false},
      annotations: [{text: 'The values of all trials are equal: there is nothing to explain.', showarrow: false, font: {color: theme.soft, size: 12}}]})});
    const used = () => effects().slices.map(slice => slice.parameter);
    // Below charts whose values stand aslant there is more room.
    const gapOf = shown => (shown.some(number => isLong((ticks(study.parameters[number]) || []).map(([, text]) => text))) ? 104 : 68);
    const many = complete.length > 300;
    const cut = study.parameters.length > 12 ? ` The 12 most important of ${study.parameters.length} parameters.` : '';

    function importancePlot() {
      if (!study.effects.some(one => one.known)) return null;
      const shown = study.order.filter(parameter => study.effects.some(one => one.known)).slice(0, 25);
      const make = theme => {
        const names = shown.map(parameter => study.parameters[parameter].label);
        const measured = study.effects.map((one, number) => [one, number]).filter(([one]) => one.known);
        const traces = measured.map(([one, number]) => ({type: 'bar', orientation: 'h', name: plain(study.objectives[number].name),
          y: names.map((_, i) => i), x: shown.map(parameter => 100 * one.share[parameter]), marker: {color: theme.run(several ? colour : number)},
          opacity: several && number ? 0.55 : 1,
          error_x: {type: 'data', array: shown.map(parameter => 100 * one.deviation[parameter]), color: theme.soft, thickness: 1.2, width: 3},
          customdata: names.map(plain), hovertemplate: '%{customdata}: %{x:.1f} %<extra>%{fullData.name}</extra>'}));
        const layout = Object.assign(baseLayout(theme, 64 + names.length * (14 + 9 * measured.length)), {bargap: 0.3, barmode: 'group',
          showlegend: measured.length > 1,
          xaxis: axis(theme, 'share of the variance explained alone, %', {rangemode: 'tozero', tickformat: '~g'}),
          yaxis: axis(theme, '', {tickvals: names.map((_, i) => i), ticktext: names.map(name => plain(ending(name, narrow(theme) ? 20 : 44))),
            range: [names.length - 0.4, -0.6], showgrid: false, tickfont: {size: 11, color: theme.ink}})});
        const most = Math.max(...traces.flatMap(trace => trace.x.map((value, i) => value + trace.error_x.array[i])));
        layout.xaxis.range = [0, Math.max(1, most * 1.05)];
        layout.margin.t = measured.length > 1 ? 34 : 8;
        return {traces, layout};
      };
      const more = study.parameters.length > shown.length ? ` The ${shown.length} most important of ${study.parameters.length}.` : '';
      const missing = measured => Math.max(0, 100 - 100 * sum(measured.share)).toFixed(0);
      const together = study.objectives.length === 1 ? ` The other ${missing(study.effects[0])} % are of parameters that act together, and noise.` : '';
      return panel('Importance', `fANOVA over ${complete.length} complete trials; bars: deviation over the trees.${together}${more}`, plot(id('importance'), make));
    }

    // Trials by the values of a parameter: each value where there are few, else stretches of the range.
    function boxesOf(number) {
      const parameter = study.parameters[number];
      const rows = complete.filter(trial => known(trial.values[state.objective]));
      const present = [...new Set(rows.map(trial => trial.parameters[number]).filter(known))].sort((a, b) => a - b);
      const groups = [];
      if (parameter.choices.length || present.length <= 8) {
        present.forEach(value => groups.push({name: shortened(nameOf(parameter, value), 18), rows: rows.filter(trial => trial.parameters[number] === value)}));
      } else {
        const count = 5;
        const [low, high] = [along(parameter, parameter.low), along(parameter, parameter.high)];
        const edge = i => {
          const at = low + (high - low) * i / count;
          return parameter.integer ? Math.round(parameter.log ? 10 ** at : at) : parameter.log ? 10 ** at : at;
        };
        for (let i = 0; i < count; ++i) {
          groups.push({name: `${short(edge(i), 2)}–${short(edge(i + 1), 2)}`, rows: rows.filter(trial => known(trial.parameters[number]) &&
            (i === 0 || trial.parameters[number] >= edge(i)) && (i + 1 === count || trial.parameters[number] < edge(i + 1)))});
        }
      }
      const without = rows.filter(trial => !known(trial.parameters[number]));
      if (without.length && present.length) groups.push({name: 'absent', rows: without});
      return groups.filter(group => group.rows.length);
    }

    function boxPlot() {
      if (!complete.length || !study.effects.some(one => one.known)) return null;
      const make = theme => {
        if (!effects().known) return nothing(theme);
        const numbers = used();
        const places = grid(theme, numbers.length, 270, 0.035, 100);
        const of = unit();
        const layout = baseLayout(theme, places.height);
        const traces = [];
        numbers.forEach((number, place) => {
          const {suffix, x, y, column} = places.places[place];
          const groups = boxesOf(number);
          const few = complete.length <= 300;
          groups.forEach((group, at) => traces.push({type: 'box', name: plain(group.name), xaxis: `x${suffix}`, yaxis: `y${suffix}`,
            x: group.rows.map(() => at), y: group.rows.map(trial => trial.values[state.objective] * of.factor),
            text: group.rows.map(hover), boxpoints: few ? 'all' : 'outliers', jitter: 0.5, pointpos: 0, width: 0.6,
            marker: {color: faded(theme.run(colour), 0.5), size: few ? 4 : 3}, line: {color: theme.run(colour), width: 1.4},
            fillcolor: faded(theme.run(colour), 0.12), hoveron: 'points', hovertemplate: '%{text}<extra></extra>'}));
          const long = isLong(groups.map(group => group.name));
          layout[`xaxis${suffix}`] = axis(theme, plain(ending(study.parameters[number].label, 34)), {domain: x, anchor: `y${suffix}`, showgrid: false,
            tickvals: groups.map((_, i) => i), ticktext: groups.map(group => plain(group.name)), range: [-0.6, groups.length - 0.4],
            tickangle: long ? -35 : 0, tickfont: {size: 11}});
          layout[`yaxis${suffix}`] = unitAxis(theme, {...of, title: column ? '' : of.title},
            {domain: y, anchor: `x${suffix}`, ...(place ? {matches: 'y', showticklabels: column === 0} : {})});
        });
        return {traces, layout};
      };
      return panel('By parameter', `Complete trials by the values of each parameter: median, quartiles, whiskers up to 1.5 times their distance.${cut}`,
        plot(id('boxes'), make));
    }

    function slicePlot() {
      if (!complete.length || !study.effects.some(one => one.known)) return null;
      const make = theme => {
        if (!effects().known) return nothing(theme);
        const places = grid(theme, effects().slices.length, 260, 0.035, gapOf(effects().slices.map(slice => slice.parameter)));
        const of = unit();
        const layout = baseLayout(theme, places.height);
        const traces = [];
        const rows = complete.filter(trial => known(trial.values[state.objective]));
        effects().slices.forEach((slice, place) => {
          const {suffix, x, y, column} = places.places[place];
          const parameter = study.parameters[slice.parameter];
          const choices = parameter.choices.length > 0;
          const there = rows.filter(trial => known(trial.parameters[slice.parameter]));
          // Points of one choice stand beside each other, always in the same way.
          const beside = trial => (choices ? (((trial.number * 0.618034) % 1) - 0.5) * 0.5 : 0);
          const at = trial => along(parameter, trial.parameters[slice.parameter]) + beside(trial);
          traces.push({type: 'scatter', mode: 'markers', xaxis: `x${suffix}`, yaxis: `y${suffix}`, x: there.map(at),
            y: there.map(trial => trial.values[state.objective] * of.factor),
            marker: {size: many ? 4 : 6, color: there.map(trial => trial.number), coloraxis: 'coloraxis', line: {color: theme.card, width: many ? 0 : 0.5}},
            text: there.map(trial => `${hover(trial)}, ${plain(`${parameter.name} = ${nameOf(parameter, trial.parameters[slice.parameter])}`)}`),
            hovertemplate: '%{text}<extra></extra>'});
          const means = scaled(slice.mean, of);
          const places2 = slice.at.map(value => along(parameter, value));
          traces.push({type: 'scatter', mode: 'lines', xaxis: `x${suffix}`, yaxis: `y${suffix}`, hoverinfo: 'skip',
            x: choices ? places2.flatMap(value => [value - 0.34, value + 0.34, null]) : places2,
            y: choices ? means.flatMap(value => [value, value, null]) : means, line: {color: theme.ink, width: 2}});
          layout[`xaxis${suffix}`] = parameterAxis(theme, parameter, {domain: x, anchor: `y${suffix}`});
          layout[`yaxis${suffix}`] = unitAxis(theme, {...of, title: column ? '' : of.title},
            {domain: y, anchor: `x${suffix}`, ...(place ? {matches: 'y', showticklabels: column === 0} : {})});
        });
        layout.coloraxis = {colorscale: scaleOf(theme), colorbar: {title: {text: 'trial', side: 'right'}, thickness: 10, len: Math.min(1, 220 / places.height), y: 1, yanchor: 'top', outlinewidth: 0, tickformat: 'd'}};
        layout.margin.r = 50;
        return {traces, layout};
      };
      return panel('Slices', `Each complete trial by each parameter, the later the brighter. Line: the mean over all other parameters, by the trees of the importance.${cut}`,
        plot(id('slices'), make));
    }

    function contourPlot() {
      if (!study.effects.some(one => one.contours.length)) return null;
      const make = theme => {
        if (!effects().contours.length) return nothing(theme);
        const places = grid(theme, effects().contours.length, 290, 0.085, gapOf(effects().contours.map(contour => contour.first)));
        const of = unit();
        const layout = baseLayout(theme, places.height);
        const traces = [];
        effects().contours.forEach((contour, place) => {
          const {suffix, x, y} = places.places[place];
          const [first, second] = [study.parameters[contour.first], study.parameters[contour.second]];
          const choices = first.choices.length > 0 || second.choices.length > 0 || contour.at_first.length < 4 || contour.at_second.length < 4;
          const wide = contour.at_second.length;
          // Rows of z go along y, which is the second parameter.
          const z = contour.at_second.map((_, j) => contour.at_first.map((__, i) => contour.mean[i * wide + j] * of.factor));
          const at = (parameter, values) => values.map(value => along(parameter, value));
          // From the first to the last cell.
          const whole = (parameter, values) => {
            if (parameter.choices.length || values.length < 2) return {};
            const ends = [along(parameter, values[0]), along(parameter, values[values.length - 1])];
            const half = choices ? (ends[1] - ends[0]) / (values.length - 1) / 2 : 0;
            return {range: [ends[0] - half, ends[1] + half]};
          };
          traces.push({type: choices ? 'heatmap' : 'contour', xaxis: `x${suffix}`, yaxis: `y${suffix}`, x: at(first, contour.at_first), y: at(second, contour.at_second), z,
            coloraxis: 'coloraxis', hovertemplate: '%{z:.5~g}<extra></extra>', ...(choices ? {xgap: first.choices.length ? 2 : 0, ygap: second.choices.length ? 2 : 0} : {contours: {coloring: 'heatmap'}, line: {width: 0.4, color: 'rgba(255,255,255,0.5)'}, ncontours: 10})});
          const there = complete.filter(trial => known(trial.parameters[contour.first]) && known(trial.parameters[contour.second]));
          const beside = (parameter, trial, share) => (parameter.choices.length ? (((trial.number * share) % 1) - 0.5) * 0.6 : 0);
          const point = (rows, marker) => ({type: 'scatter', mode: 'markers', xaxis: `x${suffix}`, yaxis: `y${suffix}`,
            x: rows.map(trial => along(first, trial.parameters[contour.first]) + beside(first, trial, 0.618034)),
            y: rows.map(trial => along(second, trial.parameters[contour.second]) + beside(second, trial, 0.754878)),
            text: rows.map(hover), hovertemplate: '%{text}<extra></extra>', marker});
          traces.push(point(there, {size: many ? 2 : 4, color: '#ffffff', opacity: many ? 0.5 : 0.85, line: {color: '#1b2330', width: many ? 0.3 : 0.8}}));
          traces.push(point(there.filter(trial => trial.standing === 'best'), {size: 12, symbol: 'star', color: '#ffffff', line: {color: '#1b2330', width: 1.2}}));
          layout[`xaxis${suffix}`] = parameterAxis(theme, first, {domain: x, anchor: `y${suffix}`, showgrid: false, ...whole(first, contour.at_first)});
          layout[`yaxis${suffix}`] = parameterAxis(theme, second, {domain: y, anchor: `x${suffix}`, showgrid: false, ...whole(second, contour.at_second), tickangle: 0, title: {text: plain(ending(second.label, 26)), standoff: 4, font: {size: 12, color: theme.soft}}});
        });
        layout.coloraxis = {colorscale: scaleOf(theme), reversescale: !objective().maximize,
          colorbar: {title: {text: plain(of.title), side: 'right'}, thickness: 10, len: Math.min(1, 240 / places.height), y: 1, yanchor: 'top', outlinewidth: 0, tickformat: of.format}};
        layout.margin.r = 60;
        return {traces, layout};
      };
      return panel('Contours', 'The mean over all other parameters for pairs of the most important ones, the better the brighter; points: complete trials, star: the best.',
        plot(id('contours'), make));
    }

    // Lines from axis to axis: parameters, then the objectives; the better the brighter, and on top.
    function parallelPlot() {
      if (complete.length < 2 || !study.parameters.length) return null;
      const numbers = study.order.slice(0, mostAxes - study.objectives.length);
      const make = theme => {
        const rows = complete.filter(trial => known(trial.values[state.objective]))
          .sort((a, b) => (objective().maximize ? 1 : -1) * (a.values[state.objective] - b.values[state.objective]));
        if (!rows.length) return nothing(theme);
        const axes = numbers.map(number => {
          const parameter = study.parameters[number];
          const marks = ticks(parameter);
          const [low, high] = parameter.choices.length ? [0, Math.max(1, parameter.choices.length - 1)] : [along(parameter, parameter.low), along(parameter, parameter.high)];
          const span = high > low ? high - low : 1;
          const at = trial => {
            const value = along(parameter, trial.parameters[number]);
            if (!known(value)) return -0.1;
            const beside = parameter.choices.length ? (((trial.number * 0.618034) % 1) - 0.5) * 0.05 : 0;
            return (value - low) / span + beside;
          };
          const texts = (marks || (parameter.integer && high - low <= 8
            ? Array.from({length: high - low + 1}, (_, i) => [low + i, String(low + i)])
            : [low, parameter.integer ? Math.round((low + high) / 2) : (low + high) / 2, high].map(value => [value, short(value)]))).map(([value, text]) => [(value - low) / span, text]);
          const absent = rows.some(trial => !known(trial.parameters[number]));
          return {name: parameter.label, at, texts: absent ? [[-0.1, 'absent'], ...texts] : texts};
        });
        study.objectives.forEach((one, number) => {
          const all = rows.map(trial => trial.values[number]).filter(known);
          const of = unitOf(one, all);
          const [low, high] = [Math.min(...all), Math.max(...all)];
          const span = high > low ? high - low : 1;
          axes.push({name: of.title, at: trial => (known(trial.values[number]) ? (trial.values[number] - low) / span : null),
            texts: (high > low ? [low, (low + high) / 2, high] : [low]).map(value => [(value - low) / span, String(+(value * of.factor).toPrecision(4))])});
        });
        const shades = colours(theme);
        const bins = shades.length;
        const traces = [];
        for (let bin = 0; bin < bins; ++bin) {
          const part = rows.slice(Math.floor(rows.length * bin / bins), Math.floor(rows.length * (bin + 1) / bins));
          if (!part.length) continue;
          traces.push({type: 'scatter', mode: 'lines', x: part.flatMap(() => [...axes.map((_, i) => i), null]),
            y: part.flatMap(trial => [...axes.map(one => one.at(trial)), null]),
            text: part.flatMap(trial => [...axes.map(() => hover(trial)), null]), hovertemplate: '%{text}<extra></extra>',
            line: {color: shades[bin], width: bin === bins - 1 ? 2 : 1.1}, opacity: rows.length > 300 ? 0.35 : bin === bins - 1 ? 0.95 : 0.55});
        }
        const top = rows[rows.length - 1];
        traces.push({type: 'scatter', mode: 'lines+markers', x: axes.map((_, i) => i), y: axes.map(one => one.at(top)), text: axes.map(() => hover(top)),
          hovertemplate: '%{text}<extra></extra>', line: {color: theme.run(1), width: 3}, marker: {size: 7, color: theme.run(1)}});
        const layout = Object.assign(baseLayout(theme, 380), {
          xaxis: {range: [-0.3, axes.length - 0.45], showgrid: false, zeroline: false, fixedrange: true, tickvals: axes.map((_, i) => i),
            ticktext: axes.map(one => plain(ending(one.name, narrow(theme) ? 8 : Math.max(10, Math.floor(150 / axes.length))))), tickfont: {size: 11, color: theme.ink}, side: 'top', ticks: ''},
          yaxis: {range: [axes.some(one => one.texts[0][0] < 0) ? -0.16 : -0.06, 1.06], visible: false, fixedrange: true},
          shapes: axes.map((_, i) => ({type: 'line', x0: i, x1: i, y0: axes[i].texts[0][0] < 0 ? -0.12 : 0, y1: 1, line: {color: theme.faint, width: 1}})),
          annotations: axes.flatMap((one, i) => one.texts.map(([y, text]) => ({x: i, y, text: plain(shortened(String(text), 14)), showarrow: false, xanchor: 'left', xshift: 4,
            font: {size: 10, color: theme.ink}, bgcolor: faded(theme.card.length === 7 ? theme.card : '#ffffff', 0.75), borderpad: 1}))), hovermode: 'closest'});
        layout.margin = {l: 20, r: 50, t: 40, b: 12};
        return {traces, layout};
      };
      const more = study.parameters.length > numbers.length ? ` The ${numbers.length} most important of ${study.parameters.length} parameters.` : '';
      return panel('Parallel coordinates', `A line a complete trial, the better the brighter; the best stands out.${more}`, plot(id('parallel'), make));
    }

    function intermediatePlot() {
      const told = study.trials.filter(trial => trial.steps.length);
      if (!told.length) return null;
      const one = study.objectives[0];
      const of = unitOf(one, told.flatMap(trial => trial.reported));
      const make = theme => {
        const kinds = [['COMPLETE', 'complete', theme.run(0), 'solid'], ['RUNNING', 'running', theme.soft, 'solid'], ['FAIL', 'failed', theme.low, 'dash'], ['PRUNED', 'pruned', theme.run(1), 'dot']];
        const line = (rows, name, colour, dash, width, opacity) => ({type: 'scatter', mode: told.every(trial => trial.steps.length === 1) ? 'markers' : 'lines+markers', name,
          x: rows.flatMap(trial => [...trial.steps, null]), y: rows.flatMap(trial => [...scaled(trial.reported, of), null]),
          text: rows.flatMap(trial => [...trial.steps.map(() => hover(trial)), null]), hovertemplate: '%{text}<br>%{y:.5~g} at step %{x}<extra></extra>',
          opacity, line: {color: colour, width, dash}, marker: {color: colour, size: rows.length > 200 ? 2 : 4}});
        const traces = kinds.map(([state, name, colour, dash]) => {
          const rows = told.filter(trial => trial.state === state && trial.standing !== 'best');
          return rows.length ? line(rows, name, colour, dash, 1.1, rows.length > 100 ? 0.35 : 0.6) : null;
        }).filter(Boolean);
        const winners = told.filter(trial => trial.standing === 'best');
        if (winners.length) traces.push(line(winners, winners.length > 1 ? 'front' : 'best', theme.ink, 'solid', 2.6, 1));
        const layout = Object.assign(baseLayout(theme, 340), {showlegend: traces.length > 1, xaxis: axis(theme, 'step', {tickformat: ',~d'}), yaxis: unitAxis(theme, of)});
        if (traces.length > 1) layout.margin.t = 34;
        return {traces, layout};
      };
      const pruned = told.filter(trial => trial.state === 'PRUNED').length;
      return panel('Intermediate values', `${one.name} while trials ran${pruned ? `; ${pruned} of ${told.length} were stopped early` : ''}.`, plot(id('intermediate'), make));
    }

    function timelinePlot() {
      const begun = study.trials.filter(trial => known(trial.start));
      if (!begun.length) return null;
      const last = Math.max(...begun.map(trial => (known(trial.end) ? trial.end : trial.start)));
      const time = timeUnit(last);
      const make = theme => {
        const kinds = [['COMPLETE', 'complete', theme.run(0), ''], ['PRUNED', 'pruned', theme.run(1), ''], ['FAIL', 'failed', theme.low, '/'], ['RUNNING', 'running', theme.faint, '.']];
        const traces = kinds.map(([state, name, colour, shape]) => {
          const rows = begun.filter(trial => trial.state === state);
          if (!rows.length) return null;
          const length = trial => (known(trial.end) ? trial.end : last) - trial.start;
          return {type: 'bar', orientation: 'h', name, base: rows.map(trial => trial.start * time.factor), x: rows.map(trial => Math.max(length(trial), last * 5e-4) * time.factor),
            y: rows.map(trial => trial.worker), width: 0.68, marker: {color: faded(colour, 0.85), line: {color: theme.card, width: rows.length > 300 ? 0 : 0.7}, pattern: {shape, size: 5}},
            customdata: rows.map(trial => `${hover(trial)}<br>${plain(name)} after ${short(length(trial))} s`), hovertemplate: '%{customdata}<extra></extra>'};
        }).filter(Boolean);
        const lines = study.workers.length;
        const layout = Object.assign(baseLayout(theme, 70 + Math.min(26, Math.max(8, 600 / lines)) * lines + 16), {barmode: 'overlay', bargap: 0, showlegend: traces.length > 1,
          xaxis: axis(theme, time.title, {rangemode: 'tozero', tickformat: '~g'}),
          yaxis: axis(theme, '', {tickvals: lines <= 40 ? study.workers.map((_, i) => i) : null, showticklabels: lines <= 40,
            ticktext: study.workers.map(name => plain(ending(name, narrow(theme) ? 18 : 34))), range: [lines - 0.4, -0.6], showgrid: false, tickfont: {size: 11, color: theme.ink}})});
        layout.margin.t = traces.length > 1 ? 34 : 8;
        return {traces, layout};
      };
      return panel('Timeline', 'A line a worker, a bar a trial from its beginning to its end.', plot(id('timeline'), make));
    }

    function tableOf(name) {
      const table = study.tables.find(one => one.id === name);
      if (!table) return null;
      const shown = tablePanel({...table, id: `study-${table.id}-${index}`});
      if (name === 'best') return shown;
      return element('details', {class: 'panel table-panel'},
        element('summary', {class: 'heading'}, element('h3', {}, table.title), element('span', {class: 'count'}, `${table.rows.length} rows`),
          table.note ? element('span', {class: 'count'}, table.note) : null), shown.querySelector('.scroll'));
    }

    const about = element('p', {class: 'note'}, unbroken([study.states, study.started ? `began ${study.started}` : '', study.source].filter(Boolean).join(' · ')));
    const judged = study.judged ? element('p', {class: 'note'}, unbroken(`On the test split, which no trial has seen: ${study.judged}`)) : null;
    const holder = element('div', {class: 'study'});
    const perObjective = [boxPlot(), slicePlot(), contourPlot(), parallelPlot()].filter(Boolean);
    const choose = study.objectives.length > 1 && perObjective.length ? element('div', {class: 'choose', role: 'group'}, 'By parameter, slices, contours and lines below show ',
      study.objectives.map((one, number) => {
        const button = element('button', {type: 'button', class: 'chip', 'aria-pressed': number === 0 ? 'true' : 'false'}, one.name);
        button.addEventListener('click', () => {
          state.objective = number;
          choose.querySelectorAll('button').forEach(other => other.setAttribute('aria-pressed', String(other === button)));
          drawAll(false, holder);
        });
        return button;
      })) : null;
    const pair = [intermediatePlot(), timelinePlot()].filter(Boolean);
    const [bestTable, importanceTable, trialsTable] = ['best', 'importance', 'trials'].map(tableOf);
    holder.append(...[several ? element('p', {class: 'names'}, unbroken(study.finding)) : null, about, judged,
      study.objectives.length > 1 ? frontPlots(id('front'), [{study, index: colour}], 'Pareto front') : null, bestTable,
      importancePlot(), importanceTable, choose, ...perObjective, ...pair, trialsTable].flat().filter(Boolean));
    return holder;
  }

  // ---- the page ----

  function studySections() {
    if (!several) return section('The study', studyParts(studies[0], 0));
    return section('Each study', studies.map((study, index) => {
      const folded = element('details', {class: 'panel study-panel', style: `--run: var(${runVariable(colourOf[index])})`},
        element('summary', {class: 'heading'}, element('h3', {}, study.name), element('span', {class: 'count'}, unbroken(study.finding))));
      folded.append(studyParts(study, index));
      folded.addEventListener('toggle', () => { if (folded.open) drawAll(false, folded); });
      return folded;
    }));
  }

  page.about.push(...[several ? `${studies.length} studies` : '', `${sum(studies.map(study => study.trials.length))} trials`].filter(Boolean));
  page.sections.push(
    ...section(several ? 'Studies' : 'Progress', several ? tablePanel({...data.studies.table, title: 'All studies'}) : null, progressPanels()),
    ...(several && sameObjectives ? section('Pareto fronts', frontPlots('plot-fronts', studies.map((study, number) => ({study, index: colourOf[number]})), 'Pareto fronts')) : []),
    ...studySections());
  page.notes.push('Every number comes from the studies named above. Values of trials are of the data that the search selects on: the best of many is optimistic.');
})();
