/**
 * Times, counts and foreign text as an operator reads them. Pure.
 */

/**
 * Text without control characters, which bidirectional ones are too: those show a path or a reason in
 * another order than it has. As the server's own text answers do it; anything but text stays as it is.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function printable(value) {
  if (typeof value !== 'string') return value;
  const text = value.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
  return /** @type {T} */ (text);
}

/**
 * The same as in `lib/format-duration.ts`, which browsers can't import; a test compares the two.
 *
 * @param {number} ms
 */
export function formatMs(ms) {
  const whole = Math.round(ms);
  if (whole < 1000) return `${whole} ms`;
  const short = Number((whole / 1000).toPrecision(3));
  if (short < 60) return `${short} s`;
  const seconds = Math.round(whole / 1000);
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(whole / 60_000);
  if (minutes < 1440) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(whole / 3_600_000);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/**
 * @param {number} major
 * @param {string} majorUnit
 * @param {number} minor
 * @param {string} minorUnit
 */
function two(major, majorUnit, minor, minorUnit) {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}

/**
 * What is left, as on a clock: `4:48`, `1:05:00`.
 *
 * @param {number} ms
 */
export function formatCountdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const start = hours > 0 ? `${hours}:${pad(minutes)}` : String(minutes);
  return `${start}:${pad(seconds % 60)}`;
}

/**
 * `1 request`, `2 requests`.
 *
 * @param {number} n
 * @param {string} noun
 */
export function formatCount(n, noun) {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
}
