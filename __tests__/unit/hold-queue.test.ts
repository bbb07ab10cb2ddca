import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ListEntry } from '../../lib/common/linked-list.ts';
import { HoldQueue } from '../../lib/gate/hold-queue.ts';

class Item extends ListEntry {
  readonly id: number;

  get order(): number {
    return this.id;
  }

  constructor(id: number) {
    super();
    this.id = id;
  }
}

describe('HoldQueue', () => {
  it('is full when its limit is reached', () => {
    const queue = new HoldQueue<Item>(2);
    queue.add(new Item(1));
    expect(queue.isFull).toBe(false);
    queue.add(new Item(2));
    expect(queue.isFull).toBe(true);
  });

  it('returns false for a ticket that was removed before', () => {
    const queue = new HoldQueue<Item>(2);
    const item = new Item(1);
    queue.add(item);
    expect([queue.remove(item), queue.remove(item), queue.size]).toEqual([true, false, 0]);
  });

  it('keeps the order of arrival when clients disconnect in between', () => {
    const step = fc.oneof(fc.constant('add' as const), fc.constant('shift' as const), fc.nat(50));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new HoldQueue<Item>(Infinity);
        let model: Item[] = [];
        let id = 0;
        for (const action of steps) {
          if (action === 'add') {
            const item = new Item(id++);
            queue.add(item);
            model.push(item);
          } else {
            const item =
              action === 'shift' ? queue.head : model[action % Math.max(1, model.length)];
            expect(item ? queue.remove(item) : false).toBe(item !== undefined);
            model = model.filter((other) => other !== item);
          }
          expect([queue.size, queue.head?.id]).toEqual([model.length, model[0]?.id]);
        }
      }),
    );
  });

  it('puts a requeued ticket at its old place', () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 1 });
    fc.assert(
      fc.property(order, (leaving) => {
        const queue = new HoldQueue<Item>(Infinity);
        const items = Array.from({ length: 8 }, (_, id) => new Item(id));
        for (const item of items) queue.add(item);
        for (const id of leaving) queue.remove(items[id] as Item);
        for (const id of leaving) queue.requeue(items[id] as Item);
        expect([...queue].map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        while (queue.head) queue.remove(queue.head);
        expect(queue.size).toBe(0);
      }),
    );
  });
});
