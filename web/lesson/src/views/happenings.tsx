// What happened in the step, in words.

import { type Words, words } from '../words/index.ts';
import type { Happening } from '../world/frame.ts';

function sentence(happening: Happening, { happenings }: Words): string {
  switch (happening.kind) {
    case 'arrived':
    case 'refused':
    case 'finished':
      return happenings[happening.kind](happening.name, happening.tokens);
    case 'forked':
      return happenings.forked(happening.name, happening.parent, happening.blocks.length);
    case 'admitted':
      return happenings[happening.resumed ? 'resumed' : 'admitted'](happening.name, happening.hitTokens);
    case 'shared':
    case 'allocated':
      return happenings[happening.kind](happening.name, happening.blocks.join(', '));
    case 'copied':
      return happenings.copied(happening.name, happening.source, happening.destination);
    case 'evicted':
      return happenings.evicted(happening.blocks);
    case 'paged-out':
    case 'paged-in':
      return happenings[happening.kind](happening.pages);
    case 'preempted':
      return happenings.preempted(happening.name);
  }
}

export function Happenings({ happenings }: { happenings: readonly Happening[] }) {
  const spoken = happenings.map((happening) => sentence(happening, words.value));
  return (
    <ul class="happenings" aria-live="polite">
      {spoken.length === 0 ? (
        <li class="hint">{words.value.nothing}</li>
      ) : (
        spoken.map((text) => <li key={text}>{text}</li>)
      )}
    </ul>
  );
}
