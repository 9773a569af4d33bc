/*
 * open.h - opening with another receive buffer, so that a test can make it overflow.
 */
#pragma once

#include "netmon/netmon.h"

int netmon_open_sized(int receive_bytes, struct netmon **ret);
