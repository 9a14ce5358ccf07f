# Builds build/Release/octavo.node: the N-API surface plus one static library of kernels per instruction set.
{
  'variables': {
    'common_flags': ['-O3', '-fPIC', '-fno-fast-math', '-ffp-contract=off', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wno-psabi', '-Wno-maybe-uninitialized', '-Wno-uninitialized'],
  },
  'target_defaults': {
    'include_dirs': ['.'],
    'cflags_cc!': ['-fno-exceptions', '-std=gnu++14', '-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++17', '<@(common_flags)'],
    'xcode_settings': {
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'OTHER_CPLUSPLUSFLAGS': ['<@(common_flags)'],
    },
  },
  'targets': [
    {
      'target_name': 'octavo',
      'sources': ['addon.cc', 'affinity.cc', 'amx_support.cc', 'attention.cc', 'attention_plan.cc', 'bindings.cc', 'candidates.cc', 'executor.cc', 'executor_products.cc', 'memory.cc', 'pack.cc', 'page_codec.cc', 'page_codec_addon.cc', 'plan.cc', 'pool_work.cc', 'processor.cc', 'quant_codes.cc',
                  'shared_prefixes.cc', 'thread_pool.cc', 'written_blocks.cc',
                  'probe/probe.cc', 'probe/handover.cc', 'probe/portable.cc', 'probe/avx2.cc', 'probe/avx512.cc', 'probe/amx.cc'],
      'include_dirs': ['<!@(node -p "require(\'node-addon-api\').include_dir")'],
      # The last: a call back into JavaScript that is being terminated fails, and what that throws has nowhere to go.
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'dependencies': ['kernels_portable'],
      'conditions': [
        ['target_arch=="x64"', { 'defines': ['OCTAVO_X86=1'], 'dependencies': ['kernels_amx', 'kernels_avx2', 'kernels_avx512', 'kernels_avx512_bf16'] }],
      ],
    },
    {
      'target_name': 'kernels_portable',
      'type': 'static_library',
      'sources': ['kernels/portable.cc', 'candidates_portable.cc'],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'kernels_avx2',
          'type': 'static_library',
          'sources': ['kernels/avx2.cc', 'candidates_avx2.cc'],
          'cflags_cc': ['-mavx2', '-mfma', '-mf16c'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c'] },
        },
        {
          'target_name': 'kernels_avx512',
          'type': 'static_library',
          'sources': ['kernels/avx512.cc', 'candidates_avx512.cc'],
          'cflags_cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mprefer-vector-width=512'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni'],
          },
        },
        {
          'target_name': 'kernels_avx512_bf16',
          'type': 'static_library',
          'sources': ['kernels/avx512_bf16.cc'],
          'cflags_cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mavx512bf16', '-mprefer-vector-width=512'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mavx512bf16'],
          },
        },
        {
          # Its tile instructions are written out (kernels/amx_tiles.h): the compiler needs no flag for them.
          'target_name': 'kernels_amx',
          'type': 'static_library',
          'sources': ['kernels/amx.cc', 'kernels/amx_blocks.cc', 'kernels/amx_few_tiles.cc', 'kernels/amx_pairs.cc'],
          'defines': ['OCTAVO_X86=1'],
          'cflags_cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mgfni', '-mprefer-vector-width=512'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mgfni'],
          },
        },
      ],
    }],
  ],
}
