// Every sequence with its state and its block table, logical to physical.

import { colourOf } from '../colours.ts';
import { words } from '../words/index.ts';
import type { BlockState, SequenceState } from '../world/frame.ts';

function Sequence({ sequence, blocks }: { sequence: SequenceState; blocks: readonly BlockState[] }) {
  const { name, status, computedTokens, totalTokens, cachedTokens } = sequence;
  const isOver = status === 'finished' || status === 'refused';
  return (
    <li class={isOver ? 'sequence over' : 'sequence'}>
      <div class="head">
        <span class="name" style={{ background: colourOf(name) }}>
          {name}
        </span>
        <span class={`status ${status}`}>{words.value.status[status]}</span>
        <span>{words.value.tokensOf(computedTokens, totalTokens)}</span>
        {cachedTokens > 0 && <span class="hits">{words.value.hits(cachedTokens)}</span>}
      </div>
      {sequence.blocks.length > 0 && (
        <ol class="entries">
          {sequence.blocks.map((block, logical) => (
            <li key={logical} class={block !== -1 && blocks[block].owners.length > 1 ? 'entry shared' : 'entry'}>
              <span class="logical">{logical}</span>
              <span class="physical">{block === -1 ? '–' : block}</span>
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}

export function Tables({ sequences, blocks }: { sequences: readonly SequenceState[]; blocks: readonly BlockState[] }) {
  if (sequences.length === 0) return <p class="hint">{words.value.noSequence}</p>;
  return (
    <ul class="sequences">
      {sequences.map((sequence) => (
        <Sequence key={sequence.name} sequence={sequence} blocks={blocks} />
      ))}
    </ul>
  );
}
