/**
 * The options of the two plots of a chart.
 */
import { clockTime } from './words.js';

const HEIGHT = { traffic: 106, requests: 122 };
const AXIS_WIDTH = 46;
const FONT = '12px system-ui, sans-serif';

/** The series in the order of the history's columns. */
export const SERIES = [
  { name: 'held', label: 'held', colour: '--held', side: 3 },
  { name: 'in-flight', label: 'in flight', colour: '--in-flight', side: 1 },
  { name: 'rate', label: 'requests/s', colour: '--rate', side: 3 },
  { name: 'errors', label: 'errors/s', colour: '--stopped', side: 3 },
];

/**
 * What both plots of a chart share.
 *
 * @typedef {{
 *   width: number,
 *   sync: string,
 *   marks: () => import('./history.js').Mark[],
 *   onCursor: (plot: uPlot) => void,
 * }} Shared
 */

/** @param {Shared} shared @returns {uPlot.Options} */
export function trafficOptions(shared) {
  return {
    ...plotOptions(shared, HEIGHT.traffic, TITLES.traffic),
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.2)] } },
    axes: [{ ...timeAxis(), size: 4, values: () => [] }, valueAxis('rate', 'y'), emptyAxis()],
    series: [{}, line('rate', 'y', false), line('errors', 'y', false)],
  };
}

/**
 * In flight has a scale of its own, because a large queue would make it a flat line.
 *
 * @param {Shared} shared
 * @returns {uPlot.Options}
 */
export function requestsOptions(shared) {
  const counts = {
    range: /** @type {uPlot.Scale.Range} */ (
      (_plot, _min, max) => [0, Math.max(4, Math.ceil((max ?? 0) * 1.2))]
    ),
  };
  return {
    ...plotOptions(shared, HEIGHT.requests, TITLES.requests),
    scales: { held: counts, 'in-flight': counts },
    axes: [
      timeAxis(),
      { ...valueAxis('held', 'held'), incrs: WHOLE_STEPS },
      { ...valueAxis('in-flight', 'in-flight'), incrs: WHOLE_STEPS, grid: { show: false } },
    ],
    series: [{}, line('held', 'held', true), line('in-flight', 'in-flight', true)],
  };
}

const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 2e4, 5e4, 1e5];

/** Below the title of the upper plot are the names of the marks. */
const TITLES = {
  traffic: { text: 'Requests and errors per second', hasNames: true, height: 38 },
  requests: { text: 'Held (left scale), in flight (right scale)', hasNames: false, height: 22 },
};

/**
 * @param {Shared} shared
 * @param {number} height
 * @param {typeof TITLES['traffic']} title
 */
function plotOptions({ width, sync, marks, onCursor }, height, title) {
  return {
    width,
    height,
    padding: /** @type {uPlot.Padding} */ ([title.height, 0, 0, 0]),
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { show: false },
      sync: { key: sync, setSeries: false },
    },
    hooks: {
      drawAxes: [
        (/** @type {uPlot} */ plot) => drawTitle(plot, title),
        (/** @type {uPlot} */ plot) => drawMarks(plot, marks(), title.hasNames),
      ],
      setCursor: [(/** @type {uPlot} */ plot) => plot.cursor.event && onCursor(plot)],
    },
  };
}

function timeAxis() {
  return { ...axis('--quiet'), size: 24, space: 80, values: clockTimes };
}

/** @param {string} name @param {string} scale */
function valueAxis(name, scale) {
  const { colour, side } = /** @type {typeof SERIES[0]} */ (
    SERIES.find((each) => each.name === name)
  );
  return {
    ...axis(colour),
    scale,
    side: /** @type {uPlot.Axis.Side} */ (side),
    size: AXIS_WIDTH,
    space: 26,
    values: (/** @type {uPlot} */ _plot, /** @type {number[]} */ splits) =>
      splits.map((value) => COMPACT.format(value)),
  };
}

const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** Aligns the two plots. */
function emptyAxis() {
  return {
    ...axis('--quiet'),
    side: /** @type {uPlot.Axis.Side} */ (1),
    size: AXIS_WIDTH,
    scale: 'y',
    grid: { show: false },
    values: () => [],
  };
}

/** @param {string} name */
function axis(name) {
  return {
    stroke: colourOf(name),
    grid: { stroke: colourOf('--grid'), width: 1 },
    ticks: { show: false },
    font: FONT,
  };
}

/**
 * @param {string} name
 * @param {string} scale
 * @param {boolean} isStepped a count is constant until it changes; a rate is not
 */
function line(name, scale, isStepped) {
  const { label, colour } = /** @type {typeof SERIES[0]} */ (
    SERIES.find((each) => each.name === name)
  );
  const stroke = colourOf(colour);
  return {
    label,
    scale,
    stroke,
    width: 2,
    points: { show: false },
    ...(name === 'in-flight' ? {} : { fill: `${stroke}22` }),
    ...(isStepped && { paths: /** @type {any} */ (uPlot.paths).stepped({ align: 1 }) }),
  };
}

/** @param {string} name of a custom property */
function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * @param {uPlot} plot
 * @param {import('./history.js').Mark[]} marks
 * @param {boolean} hasNames
 */
function drawMarks({ ctx, bbox, scales, valToPos }, marks, hasNames) {
  const { min = 0, max = 0 } = scales['x'] ?? {};
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.strokeStyle = ctx.fillStyle = colourOf('--quiet');
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  ctx.lineWidth = ratio;
  /** @type {{ x: number, name: string }[]} */
  const names = [];
  for (const { time, name } of marks) {
    if (time < min || time > max) continue;
    const x = Math.round(valToPos(time, 'x', true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const last = names.at(-1);
    if (last && x - last.x < CLOSE * ratio) last.name = `${last.name}, ${name}`;
    else names.push({ x, name });
  }
  // Names that would overlap a later one are left out.
  let end = bbox.left + bbox.width;
  for (const { x, name } of hasNames ? names.toReversed() : []) {
    const { width } = ctx.measureText(name);
    const left = Math.max(bbox.left, Math.min(x - width / 2, end - width));
    if (left + width < x || left + width > end) continue;
    ctx.fillText(name, left, bbox.top - 7 * ratio);
    end = left - 8 * ratio;
  }
  ctx.restore();
}

/**
 * @param {uPlot} plot
 * @param {typeof TITLES['traffic']} title
 */
function drawTitle({ ctx, bbox }, { text, height }) {
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  ctx.fillStyle = colourOf('--quiet');
  ctx.textAlign = 'left';
  ctx.fillText(text, bbox.left, bbox.top - (height - 12) * ratio);
  ctx.restore();
}

/** The names of marks that are as close as this, in pixels, are written as a list. */
const CLOSE = 16;

/**
 * @param {uPlot} _plot
 * @param {number[]} splits
 */
function clockTimes(_plot, splits) {
  const isWholeMinutes = splits.every((time) => time % 60 === 0);
  return splits.map((time) => clockTime(time * 1000).slice(0, isWholeMinutes ? 5 : 8));
}
