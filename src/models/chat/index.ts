// Chat templates and the encoding of chats.

export { encodeChat, encodeChatAsync } from './encode-chat.ts';
export { type ChatTemplateOptions, createChatTemplate } from './template.ts';
