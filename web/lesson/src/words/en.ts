// English words of the lesson.

export const en = {
  title: 'How paging works',
  subtitle: 'The real memory manager and scheduler of Octavo, over a toy in place of a model.',
  skip: 'Skip to the scene',
  scenesLabel: 'Scenes',
  previous: 'Previous scene',
  next: 'Next scene',
  language: 'Language',
  theme: 'Theme',
  themes: { auto: 'System', light: 'Light', dark: 'Dark' },
  settings: 'Turn and see',
  reset: 'As it was',
  link: 'Copy link to this step',
  copied: 'Copied',
  play: 'Play',
  pause: 'Pause',
  back: 'Step back',
  forward: 'Step on',
  first: 'To the start',
  step: (step: number, last: number) => `Step ${step} of ${last}`,
  stepSlider: 'Step',
  pool: 'The pool',
  poolHint: (blocks: number, size: number) => `${blocks} blocks of ${size} slots`,
  tables: 'Block tables',
  tablesHint: 'logical block: physical block',
  happened: 'In this step',
  nothing: 'Nothing but tokens.',
  timeline: 'Tokens of each step',
  timelineHint: 'a column for each step; hatched: waits; between two lines: this step',
  timelineStep: 'step',
  figures: 'Figures',
  noSequence: 'No sequence yet. Step on.',
  host: (pages: number) => `Host tier: ${pages} pages`,
  legend: {
    owned: 'held by a sequence',
    shared: 'held by several',
    cached: 'free, content kept',
    free: 'free',
    unused: 'slots without a token',
  },
  status: {
    waiting: 'waits',
    running: 'runs',
    preempted: 'preempted',
    finished: 'finished',
    refused: 'refused',
  },
  tokensOf: (computed: number, total: number) => `${computed} of ${total} tokens`,
  hits: (tokens: number) => `${tokens} found`,
  controls: {
    memory: 'Kind of memory',
    blockSize: 'Slots in a block',
    poolSlots: 'Slots of the pool',
    policy: 'Eviction policy',
    hostPages: 'Pages of the host tier',
    tokenBudget: 'Token budget of a step',
    load: 'Load',
  },
  memory: {
    paged: 'Paged',
    'contiguous-max': 'Contiguous, longest length',
    'contiguous-pow2': 'Contiguous, power of two',
    'contiguous-exact': 'Contiguous, exact length',
  },
  figureNames: {
    slotUse: 'of held slots have a token',
    poolUse: 'of the pool have one',
    hitTokens: 'tokens found, not computed',
    computedTokens: 'tokens computed',
    evictions: 'blocks evicted',
    copyOnWrites: 'blocks copied on write',
    preemptions: 'preemptions',
    pagesOut: 'pages out',
    pagesIn: 'pages in',
  },
  block: (id: number, owners: string, filled: number, size: number) =>
    `Block ${id}: ${owners}, ${filled} of ${size} slots`,
  happenings: {
    arrived: (name: string, tokens: number) => `${name} arrives with ${tokens} tokens.`,
    refused: (name: string, tokens: number) => `${name} is refused: ${tokens} tokens can never fit.`,
    forked: (name: string, parent: string, count: number) =>
      `${name} is forked off ${parent} and shares its ${count} blocks.`,
    admitted: (name: string, hits: number) =>
      hits === 0
        ? `${name} is admitted; nothing of it is in the cache.`
        : `${name} is admitted; ${hits} tokens are in the cache (minor faults).`,
    resumed: (name: string, hits: number) => `${name} comes back; ${hits} of its tokens are still in the cache.`,
    shared: (name: string, blocks: string) => `${name} shares ${blocks}.`,
    allocated: (name: string, blocks: string) => `${name} gets ${blocks}.`,
    copied: (name: string, source: number, destination: number) =>
      `${name} writes to shared block ${source}, so it is copied to block ${destination}.`,
    evicted: (count: number) => `${count} cached blocks are evicted: their content is forgotten here.`,
    'paged-out': (count: number) => `${count} pages go to the host tier.`,
    'paged-in': (count: number) => `${count} pages come back from the host tier (major faults).`,
    preempted: (name: string) => `${name} is preempted: its blocks are needed for others.`,
    finished: (name: string, tokens: number) => `${name} ends with ${tokens} tokens; its full blocks stay cached.`,
  },
  scenes: {
    contiguous: {
      name: 'Contiguous',
      title: '1. Before paging: one run for each',
      text: [
        'A model keeps a key and a value for every token that it has read: the KV cache. Here each small box is a block of slots, one slot a token.',
        'Servers used to give every request one contiguous run, as long as the longest that there may be, since nobody knows how long an answer becomes. Look at the empty slots: they are held and never used. F and G wait although most of the memory is empty.',
        'Choose shorter runs, then paging. Runs of exact length need a length that nobody knows, and leave holes of unlike sizes.',
      ],
    },
    tables: {
      name: 'Block tables',
      title: '2. Blocks and block tables',
      text: [
        'Paging cuts memory into blocks of equal size. A sequence gets a block when it needs one, any that is free, and its block table says where its logical blocks lie: logical 0 may be physical 7.',
        'Attention reads through the table, so scattered blocks do no harm. Only the last block of a sequence has empty slots.',
        'Make blocks larger: fewer table entries, more empty slots. Make them smaller: the other way round.',
      ],
    },
    faults: {
      name: 'Faults',
      title: '3. Faults: a block when it is needed',
      text: [
        'A grows by a token each step. When its last block is full, the next token faults and a block is allocated: memory follows need, not expectation.',
        'B and C begin like A. Their first blocks are in the prefix cache already, known by the hash of their tokens and of all before them: a minor fault, answered by a table entry. What is nowhere must be computed: a major fault.',
        'Lower the token budget: the prompt is computed in more steps, and the faults spread over them.',
      ],
    },
    sharing: {
      name: 'Sharing',
      title: '4. Sharing: one prefix, held once',
      text: [
        'Every request begins with the same 32 tokens, as chats with one system prompt do. The first computes them; the others share the blocks and compute what is their own.',
        'Each block counts its references. The number in a block says how many sequences hold it; it is free when nobody does.',
        'More load costs only what is not shared. Large blocks share less: only full ones are shared.',
      ],
    },
    copies: {
      name: 'Copy-on-write',
      title: '5. Fork, and copy on write',
      text: [
        'B and C continue A from the middle: several answers to one question, or beams. A fork copies its block table and no block: all are shared.',
        'Then each writes its own next token. The last block is not full and has two owners, so whoever writes first gets a copy; the other keeps the old one.',
        'Full blocks are never written again, so they are shared for ever.',
      ],
    },
    eviction: {
      name: 'Eviction',
      title: '6. Eviction: what to forget',
      text: [
        'When a sequence ends, its full blocks stay in the cache until room is needed. Then a policy chooses which go, the ends of chains before their beginnings.',
        'Most requests here are about topic 1. A good policy keeps it. Compare the tokens found under LRU, FIFO, LFU and the others.',
        'What is forgotten is computed again. Nobody gets a wrong answer: the toy checks every slot that it reads.',
      ],
    },
    swapping: {
      name: 'Swapping',
      title: '7. Tiers: pages out and in',
      text: [
        'With a tier below the pool an evicted block is not forgotten: its page goes to host memory (or a file), one copy each way.',
        'When a request needs it again, it waits for the page while others run, and computes nothing. Compare the tokens computed with and without a host tier.',
        'Octavo pages in only where that is expected to be faster than computing.',
      ],
    },
    scheduling: {
      name: 'Scheduling',
      title: '8. Scheduling: who runs in a step',
      text: [
        'A step computes at most its budget of tokens: one for each running sequence first, then prompts with what is left. Z comes with a long prompt, which is computed in chunks between the tokens of others.',
        'When no block is free, the one admitted last is preempted: it gives its blocks back, waits at the head of the queue and is computed again, as far as the cache has forgotten it.',
        'Turn the budget down: others notice Z less, and Z waits longer. Give the pool more slots: nobody is preempted.',
      ],
    },
  },
} as const;

type Widen<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { readonly [K in keyof T]: Widen<T[K]> };

/** What every language must say. */
export type Words = Widen<typeof en>;
