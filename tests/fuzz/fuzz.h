/*
 * fuzz.h - what each harness needs: libFuzzer's entry and a check no flag turns off.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MUST(condition)                   \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
