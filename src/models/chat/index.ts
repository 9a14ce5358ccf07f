// Chat templates and the encoding of chats.

export { encodeChat, encodeChatAsync } from './encode-chat.ts';
export { createChatTemplate } from './template.ts';
