// What JavaScript sees of page_codec.h: checksumBytes at once, encodePage and decodePage off its thread.
#pragma once

#include <napi.h>

namespace octavo {
void export_page_codec(Napi::Env env, Napi::Object exports);
}  // namespace octavo
