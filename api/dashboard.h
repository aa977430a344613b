/* The dashboard's one page, made from dashboard.html when the program is built. */
#ifndef BELLTOWER_API_DASHBOARD_H
#define BELLTOWER_API_DASHBOARD_H

#include <stddef.h>

extern const unsigned char dashboard_html[];
extern const size_t dashboard_html_len;

#endif
