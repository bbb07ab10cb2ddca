/** The map of requests in flight: order, removal, and removal while it is walked. */
import { describe, expect, it } from '@jest/globals';
import { LinkedMap } from '../../lib/common/linked-map.ts';

function mapOf(...names: string[]) {
  const keys = names.map((name) => ({ name }));
  const map = new LinkedMap<{ name: string }, string>();
  for (const key of keys) map.set(key, key.name);
  return { map, keys };
}

const valuesOf = (map: LinkedMap<{ name: string }, string>) => [...map].map(([, value]) => value);

describe('a linked map', () => {
  it('keeps the order of insertion when entries at any place are deleted', () => {
    for (const deleted of ['a', 'b', 'c']) {
      const { map, keys } = mapOf('a', 'b', 'c');
      const key = keys.find(({ name }) => name === deleted) as { name: string };
      expect(map.delete(key)).toBe(true);
      expect(map.delete(key)).toBe(false);
      expect(map.has(key)).toBe(false);
      expect(valuesOf(map)).toEqual(['a', 'b', 'c'].filter((name) => name !== deleted));
      map.set(key, 'again');
      expect(valuesOf(map).at(-1)).toBe('again');
      expect(map.size).toBe(3);
    }
  });

  it('visits each remaining entry once when entries are deleted during the visit', () => {
    const { map, keys } = mapOf('a', 'b', 'c', 'd');
    const visited: string[] = [];
    for (const [key, value] of map) {
      visited.push(value);
      map.delete(key);
      if (value === 'b') map.delete(keys[2] as { name: string });
    }
    expect(visited).toEqual(['a', 'b', 'd']);
    expect(map.size).toBe(0);
  });

  it('has one entry for a key that is set twice, at its new place', () => {
    const { map, keys } = mapOf('a', 'b');
    const [key] = keys as [{ name: string }];
    map.set(key, 'c');
    expect(map.size).toBe(2);
    expect(valuesOf(map)).toEqual(['b', 'c']);
    expect(map.delete(key)).toBe(true);
    expect(valuesOf(map)).toEqual(['b']);
  });

  it('shares a key with another map', () => {
    const { map, keys } = mapOf('a');
    const other = new LinkedMap<{ name: string }, number>();
    const [key] = keys as [{ name: string }];
    other.set(key, 1);
    map.delete(key);
    expect(other.get(key)).toBe(1);
    expect(map.get(key)).toBeUndefined();
  });
});
