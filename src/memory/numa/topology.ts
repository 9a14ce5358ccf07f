// NUMA topology as Linux describes it under /sys/devices/system/node, read through whoever can read a directory.

/** Reads a tree of small text files. Neither call throws: what is missing is empty or null. */
export interface TreeReader {
  /** Names in a directory. */
  list(path: string): readonly string[];
  read(path: string): string | null;
}

export interface NumaNode {
  /** As the system numbers it: ids may have gaps. */
  readonly id: number;
  readonly cpus: readonly number[];
  /** Null if unknown. */
  readonly memoryBytes: number | null;
}

export interface NumaTopology {
  /** Nodes that have memory, by ascending id; at least one. */
  readonly nodes: readonly NumaNode[];
  /** [nodes.length][nodes.length] relative cost of access from a node (row) to a node's memory, 10 for its own. */
  readonly distances: readonly (readonly number[])[];
}

export const SYSTEM_NODES = '/sys/devices/system/node';

const LOCAL = 10;
/** What the kernel assumes of other nodes where the firmware says nothing. */
const REMOTE = 20;

/**
 * The nodes under `root`. Nodes known to have no memory are left out, since no block can lie there. Where nothing can be read there is one
 * node, which is also what a machine without NUMA has.
 */
export function readNumaTopology(reader: TreeReader, root: string = SYSTEM_NODES): NumaTopology {
  const ids = reader
    .list(root)
    .flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const found = ids.map((id, place) => ({
    place,
    node: {
      id,
      cpus: parseCpuList(reader.read(`${root}/node${id}/cpulist`) ?? ''),
      memoryBytes: parseMemory(reader.read(`${root}/node${id}/meminfo`) ?? ''),
    },
    // A column for each node that is online, in the order of ids.
    row: parseDistances(reader.read(`${root}/node${id}/distance`) ?? '', ids.length),
  }));
  const kept = found.filter(({ node }) => node.memoryBytes !== 0);
  if (kept.length === 0) return { nodes: [{ id: 0, cpus: [], memoryBytes: null }], distances: [[LOCAL]] };
  return {
    nodes: kept.map(({ node }) => node),
    distances: kept.map(({ place, row }) =>
      kept.map((other) => row?.[other.place] ?? (other.place === place ? LOCAL : REMOTE)),
    ),
  };
}

/** "0-3,8" is 0, 1, 2, 3, 8. Parts that are no ranges are skipped. */
function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((part) => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
      if (match === null) return [];
      const first = Number(match[1]);
      const last = Math.min(Number(match[2] ?? first), first + 65_535);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
    });
}

function parseMemory(text: string): number | null {
  const match = /MemTotal:\s*(\d+)\s*kB/.exec(text);
  return match === null ? null : Number(match[1]) * 1024;
}

/** Null unless there is a positive number for every node. */
function parseDistances(text: string, count: number): number[] | null {
  const row = text.trim().split(/\s+/).map(Number);
  return row.length === count && row.every((value) => Number.isFinite(value) && value > 0) ? row : null;
}
