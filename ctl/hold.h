/*
 * hold.h - "map --hold": a mapping that lasts as long as natctl, or as its COMMAND.
 */
#pragma once

#include "ctl/ctl.h"

/* parameters: JSON text for RequestMapping().  The exit code, of COMMAND if there is
 * one and it ran. */
enum exit_code hold_run(struct ctl *ctl, const char *parameters);
