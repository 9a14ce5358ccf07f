// Draft
import { createBlockLists } from './block-lists.ts';
import { createGhostList } from './ghost-list.ts';
import type { EvictionPolicy, EvictionPolicyOptions } from './policy.ts';

export const tune: Record<string, any> = { G: 4, sub: 2, A: 18, unitDiv: 16, K: 8, half: 4, reconf: 4, C: 4, live: 1, prior: 0.01, feat: null, gl: 1 };

export function createHitDensity({ blockCount }: EvictionPolicyOptions): EvictionPolicy {
  const { sub, A, K, C } = tune;
  const unit = Math.max(1, blockCount / tune.unitDiv);
  const lists = createBlockLists(blockCount, C * A);
  const ghosts = createGhostList(tune.G * blockCount);
  const gClass = new Uint8Array(tune.G * blockCount), gLast = new Float64Array(tune.G * blockCount), gCount = new Uint8Array(tune.G * blockCount), gTurn = new Uint8Array(tune.G*blockCount);
  const gAlive = new Uint8Array(tune.G * blockCount), gs = new Float64Array(C * A);
  const low = new Uint32Array(blockCount), high = new Uint32Array(blockCount);
  const last = new Float64Array(blockCount), list = new Int32Array(blockCount).fill(-1), cls = new Uint8Array(blockCount), count = new Uint8Array(blockCount), turn = new Uint8Array(blockCount);
  const sizes = new Int32Array(C * A);
  const hits = new Float64Array(C * A), ends = new Float64Array(C * A);
  const bound = Float64Array.from({ length: A + 1 }, (_, a) => unit * (2 ** (a / sub) - 1));
  const value = new Float64Array(C * A);
  const order = Int32Array.from({ length: C * A }, (_, i) => i), rank = new Int32Array(C * A);
  let clock = 0, nextMig = unit, nextRec = 0, decays = 0, cursor = 0, evictableCount = 0;
  let runTurn = 0;
  const bucketOf = (age: number) => Math.min(A - 1, Math.floor(sub * Math.log2(1 + age / unit) + 1e-9));
  const PH = new Float64Array(A), PX = new Float64Array(A), X = new Float64Array(C * A), p = new Float64Array(A);
  function reconfigure() {
    PH.fill(0); PX.fill(0);
    gs.fill(0);
    if (tune.gl) for (let g = 0; g < gAlive.length; g++) if (gAlive[g]) gs[gClass[g] * A + bucketOf(clock - gLast[g])]++;
    for (let c = 0; c < C; c++) {
      let s = 0;
      for (let a = A - 1; a >= 0; a--) {
        const i = c * A + a;
        s += hits[i] + ends[i] + sizes[i] * tune.live + gs[i];
        X[i] = s; PH[a] += hits[i]; PX[a] += s;
      }
    }
    for (let c = 0; c < C; c++) {
      for (let a = 0; a < A; a++) {
        const w = bound[a + 1] - bound[a];
        const prior = (PH[a] + K * tune.prior * w / (bound[a] + blockCount)) / (PX[a] + K);
        p[a] = Math.min(0.99, (hits[c * A + a] + K * prior) / (X[c * A + a] + K));
      }
      for (let a = 0; a < A; a++) {
        let best = 0, surv = 1, ph = 0, tm = 0;
        for (let e = a; e < A; e++) {
          const w = bound[e + 1] - bound[e];
          tm += surv * w * (1 - p[e] / 2); ph += surv * p[e]; surv *= 1 - p[e];
          if (ph / tm > best) best = ph / tm;
        }
        value[c * A + a] = best;
      }
    }
    order.sort((x, y) => value[x] - value[y] || y % A - x % A);
    order.forEach((l, r) => { rank[l] = r; });
    cursor = 0;
  }
  reconfigure();
  function put(block: number, l: number) { list[block] = l; sizes[l]++; lists.append(l, block); if (rank[l] < cursor) cursor = rank[l]; }
  function take(block: number) { sizes[list[block]]--; list[block] = -1; lists.remove(block); }
  function migrate() {
    for (let c = 0; c < C; c++) for (let a = A - 2; a >= 0; a--) {
      const l = c * A + a;
      for (let b = lists.first(l); b !== -1 && clock - last[b] >= bound[a + 1]; b = lists.first(l)) { take(b); put(b, c * A + Math.max(a + 1, bucketOf(clock - last[b]))); }
    }
  }
  function tick() {
    clock++;
    if (clock >= nextMig) { nextMig = clock + unit / 2; migrate(); }
    if (clock >= nextRec) {
      nextRec = clock + Math.max(64, blockCount / tune.reconf);
      if (++decays >= tune.half * tune.reconf) { decays = 0; for (let i = 0; i < C * A; i++) { hits[i] /= 2; ends[i] /= 2; } }
      reconfigure();
    }
  }
  return {
    get evictableCount() { return evictableCount; },
    bytes: 0,
    admit(block, keyLow, keyHigh, depth, parent) {
      tick();
      low[block] = keyLow; high[block] = keyHigh;
      const g = ghosts.find(keyLow, keyHigh);
      count[block] = 0;
      turn[block] = parent === -1 ? 0 : count[parent] > 0 ? Math.min(200, turn[parent] + 1) : turn[parent];
      if (g !== -1) { hits[gClass[g] * A + bucketOf(clock - gLast[g])]++; count[block] = Math.min(200, gCount[g] + 1); ghosts.remove(g); gAlive[g] = 0; turn[block] = gTurn[g];}
      last[block] = clock;
    },
    hit(block) {
      tick();
      hits[cls[block] * A + bucketOf(clock - last[block])]++;
      if (count[block] < 200) count[block]++;
      last[block] = clock;
      runTurn = turn[block] + 1;
    },
    hold(block) { take(block); evictableCount--; },
    release(block) {
      evictableCount++;
      last[block] = clock;
      cls[block] = tune.feat ? tune.feat(count[block], turn[block], runTurn) : Math.min(C - 1, count[block]);
      put(block, cls[block] * A);
    },
    forget(block) { if (list[block] !== -1) { take(block); evictableCount--; } },
    victim() {
      if (evictableCount === 0) return -1;
      while (sizes[order[cursor]] === 0) cursor++;
      return lists.first(order[cursor]);
    },
    evict(block) {
      take(block); evictableCount--;
      const o = ghosts.size === tune.G * blockCount ? ghosts.oldest() : -1;
      if (o !== -1) ends[gClass[o] * A + bucketOf(clock - gLast[o])]++;
      const g = ghosts.add(low[block], high[block]);
      gAlive[g] = 1; gClass[g] = cls[block]; gLast[g] = last[block]; gCount[g] = count[block]; gTurn[g]=turn[block];
    },
    evictable: () => Array.from({ length: C * A }, (_, l) => lists.blocks(l)).flat(),
  };
}
