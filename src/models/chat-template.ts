// Chat messages and what turns them into a prompt.

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

export interface ChatTemplate {
  /** Renders messages to prompt text. Throws InvalidRequestError when the template refuses them. */
  render(
    messages: readonly ChatMessage[],
    options?: { readonly addGenerationPrompt?: boolean; readonly variables?: Readonly<Record<string, unknown>> },
  ): string;
}
