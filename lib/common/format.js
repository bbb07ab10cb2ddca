/**
 * Durations, counts, sizes and foreign text as people read them. Plain JavaScript, because the
 * dashboard sends this same file to the browser.
 */

/**
 * `850 ms`, `1.56 s`, `12.3 s`, `4 min 48 s`, `2 h 5 min`: at most three digits below a minute, and at
 * most two units above it. Rounded to the nearest.
 *
 * @param {number} ms
 * @returns {string}
 */
export function formatMs(ms) {
  const whole = Math.round(ms);
  if (whole < 1000) return `${whole} ms`;
  const short = Number((whole / 1000).toPrecision(3));
  if (short < 60) return `${short} s`;
  const seconds = Math.round(whole / 1000);
  if (seconds < 3600) return twoUnits(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(whole / 60_000);
  if (minutes < 1440) return twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(whole / 3_600_000);
  return twoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/**
 * @param {number} major
 * @param {string} majorUnit
 * @param {number} minor
 * @param {string} minorUnit
 * @returns {string}
 */
function twoUnits(major, majorUnit, minor, minorUnit) {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}

/**
 * `7`, `1,200`.
 *
 * @param {number} n
 * @returns {string}
 */
export function formatNumber(n) {
  // Most numbers are small, and Intl is slow.
  return Math.abs(n) < 1000 ? String(n) : n.toLocaleString('en');
}

/**
 * `1 request`, `1,200 requests`.
 *
 * @param {number} n
 * @param {string} noun
 * @returns {string}
 */
export function formatCount(n, noun) {
  return `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/**
 * `850 bytes`, `64 KiB`, `1.5 MiB`, as the options for sizes read them.
 *
 * @param {number} bytes
 * @returns {string}
 */
export function formatBytes(bytes) {
  if (bytes < 1024) return formatCount(bytes, 'byte');
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const unit = ['', 'KiB', 'MiB', 'GiB', 'TiB'][power];
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${unit}`;
}

const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Most texts pass this test, which takes a fifth of the time of a search by Unicode properties. */
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/**
 * Replaces each character that does more than stand in its place: a control character can move the
 * cursor of a terminal or retitle its window, and a bidirectional one shows the text in another order
 * than it has (https://trojansource.codes/). The two joiners U+200C and U+200D stay: Persian, Hindi and
 * many emoji need them.
 *
 * @param {string} text
 * @param {(character: string) => string} [replace] default: U+FFFD
 * @returns {string}
 */
export function printable(text, replace = () => '\u{fffd}') {
  return PRINTABLE_ASCII.test(text) ? text : text.replace(UNPRINTABLE, replace);
}
