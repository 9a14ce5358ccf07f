// Every state of the lesson has an address, and a wrong address is a state.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPlace, type Place, parsePlace, placeOf } from './link.ts';
import { sceneNames, scenes } from './world/scenes.ts';
import { limits, type Slider, sliders } from './world/settings.ts';

describe('addresses', () => {
  it('lead back to the state that they were made of', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...sceneNames),
        fc.nat(100),
        fc.array(fc.nat(1000), { minLength: 7, maxLength: 7 }),
        (scene, step, draws) => {
          const { controls, defaults } = scenes[scene];
          const settings: Record<string, unknown> = { ...defaults };
          for (const [i, control] of controls.entries()) {
            if (control === 'policy') settings.policy = ['lru', 'fifo', 'arc'][draws[i] % 3];
            else if (control === 'memory') settings.memory = ['paged', 'contiguous-pow2'][draws[i] % 2];
            else if (sliders.includes(control as Slider)) {
              const limit = limits[control as Slider];
              settings[control] = limit.min + limit.step * (draws[i] % ((limit.max - limit.min) / limit.step + 1));
            }
          }
          const place = { scene, step, settings } as unknown as Place;
          expect(parsePlace(formatPlace(place))).toEqual(place);
        },
      ),
    );
  });

  it.each([
    ['', placeOf('contiguous')],
    ['#/nowhere/x', placeOf('contiguous')],
    ['#/eviction/-3?policy=best&poolSlots=97&load=99&memory=paged', placeOf('eviction')],
    [
      '#/copies/7?blockSize=8',
      { ...placeOf('copies'), step: 7, settings: { ...scenes.copies.defaults, blockSize: 8 } },
    ],
  ])('%s', (hash, place) => {
    expect(parsePlace(hash)).toEqual(place);
  });
});
