/*
 * crc32.h - the CRC-32 of ITU V.42, as gzip (RFC 1952) and STUN FINGERPRINT use it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *bytes, size_t len);
