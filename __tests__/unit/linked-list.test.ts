/** The list of requests in flight and of held requests: order, removal, and removal while it is walked. */
import { describe, expect, it } from '@jest/globals';
import { LinkedList, ListEntry } from '../../lib/common/linked-list.ts';

class Item extends ListEntry {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

function listOf(...names: string[]) {
  const items = names.map((name) => new Item(name));
  const list = new LinkedList<Item>();
  for (const item of items) list.add(item);
  return { list, items };
}

const namesOf = (list: LinkedList<Item>) => [...list].map(({ name }) => name);

describe('a linked list', () => {
  it('keeps its order when entries at any place are removed', () => {
    for (const [index, removed] of ['a', 'b', 'c'].entries()) {
      const { list, items } = listOf('a', 'b', 'c');
      const item = items[index] as Item;
      expect([list.remove(item), list.remove(item), item.isListed]).toEqual([true, false, false]);
      expect(namesOf(list)).toEqual(['a', 'b', 'c'].filter((name) => name !== removed));
      list.add(item);
      expect(namesOf(list).at(-1)).toBe(removed);
      expect(list.size).toBe(3);
    }
  });

  it('inserts ahead of any entry', () => {
    const { list, items } = listOf('a', 'b');
    list.insert(new Item('first'), items[0]);
    list.insert(new Item('middle'), items[1]);
    expect(namesOf(list)).toEqual(['first', 'a', 'middle', 'b']);
    expect(list.head?.name).toBe('first');
  });

  it('visits each remaining entry once when entries are removed during the visit', () => {
    const { list, items } = listOf('a', 'b', 'c', 'd');
    const visited: string[] = [];
    for (const item of list) {
      visited.push(item.name);
      list.remove(item);
      if (item.name === 'b') list.remove(items[2] as Item);
    }
    expect(visited).toEqual(['a', 'b', 'd']);
    expect([list.size, list.head]).toEqual([0, undefined]);
  });

  it('has no link to a removed entry, and the entry has none to the list', () => {
    const { list, items } = listOf('a', 'b', 'c');
    const [, removed] = items as [Item, Item, Item];
    list.remove(removed);
    expect([removed.previous, removed.next]).toEqual([undefined, undefined]);
    expect(items[0]?.next).toBe(items[2]);
    expect(items[2]?.previous).toBe(items[0]);
  });
});
