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
 * `850 ms`, `12 s`, `4 min 48 s`, `2 h 5 min`: never more than two units.
 *
 * @param {number} ms
 */
export function formatMs(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.floor(seconds / 60);
  return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
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
