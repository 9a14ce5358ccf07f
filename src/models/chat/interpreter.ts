// Runs a parsed Jinja template within a budget of work, because a template from a model file may loop for ever.

import { Environment, Interpreter, Template } from '@huggingface/jinja';

/** A parsed template. Opaque: only `runTemplate` reads it. */
export interface ParsedTemplate {
  readonly program: unknown;
}

/** The library's interpreter. The package's declarations resolve to nothing under NodeNext, so this is stated. */
interface LibraryInterpreter {
  run(program: unknown): { readonly value: unknown };
  /** Every node is evaluated by this method, also by the library itself. */
  evaluate(node: unknown, environment: unknown): { readonly value: unknown } | undefined;
}
const LibraryInterpreter = Interpreter as unknown as new (environment: Environment) => LibraryInterpreter;

/** The template did more work than its budget allows. */
export class TemplateBudgetError extends Error {}

export interface TemplateBudget {
  /** Nodes evaluated. */
  readonly steps: number;
  /** Characters and array elements in all values that nodes evaluated to. */
  readonly volume: number;
  /** Elements of one `range`. */
  readonly rangeLength: number;
}

/** Parses a template as Hugging Face does: blocks trimmed. Throws SyntaxError. */
export function parseTemplate(source: string): ParsedTemplate {
  return { program: new Template(source).parsed };
}

/**
 * Renders a template with `variables` (functions become template functions, given their arguments' plain values).
 * Throws TemplateBudgetError beyond the budget, and whatever the template raises.
 */
export function runTemplate(
  template: ParsedTemplate,
  variables: Readonly<Record<string, unknown>>,
  budget: TemplateBudget,
): string {
  const environment = new Environment();
  const globals: Record<string, unknown> = {
    ...{ true: true, false: false, none: null, True: true, False: false, None: null },
    ...variables,
    range: (...bounds: number[]) => boundedRange(bounds, budget.rangeLength),
  };
  for (const [name, value] of Object.entries(globals)) environment.set(name, value);
  const result = new BudgetedInterpreter(environment, budget).run(template.program);
  return String(result.value);
}

/** Counts every evaluated node and the size of what it gives: loops, recursion and doubling all pass through here. */
class BudgetedInterpreter extends LibraryInterpreter {
  #stepsLeft: number;
  #volumeLeft: number;

  constructor(environment: Environment, budget: TemplateBudget) {
    super(environment);
    this.#stepsLeft = budget.steps;
    this.#volumeLeft = budget.volume;
  }

  override evaluate(node: unknown, environment: unknown): { readonly value: unknown } | undefined {
    if (--this.#stepsLeft < 0) throw new TemplateBudgetError('it takes too many steps');
    const result = super.evaluate(node, environment);
    const value = result?.value;
    if (typeof value === 'string' || Array.isArray(value)) {
      this.#volumeLeft -= value.length;
      if (this.#volumeLeft < 0) throw new TemplateBudgetError('it builds too much text');
    }
    return result;
  }
}

function boundedRange(bounds: readonly number[], lengthLimit: number): number[] {
  const numbers = bounds.filter((bound) => typeof bound === 'number');
  if (numbers.length < 1 || numbers.length > 3) throw new Error('range() takes one to three numbers');
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  if (step === 0) throw new Error('range() step must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= lengthLimit)) throw new TemplateBudgetError(`range() of ${length} elements`);
  return Array.from({ length }, (_, index) => start + index * step);
}
