// Checks a request body against its schema, and turns schemas into the JSON Schema of the OpenAPI document.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';

function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`;
  return text;
}

/** The body as its schema types it. Throws ApiError 400 that names the first field at fault. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const param = formatPath(issue.path);
  const message = param === '' ? `The request body is not acceptable: ${issue.message}` : `${param}: ${issue.message}`;
  throw new ApiError(400, message, { code: 'invalid_value', param: param === '' ? null : param });
}

/** JSON Schema of a zod schema, for the OpenAPI document. */
export function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
}
