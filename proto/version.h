/*
 * version.h - the version of natd and natctl; Makefile and configure read it here.
 */
#pragma once

#define NATD_VERSION "0.1.0"
