#include "api/dashboard.h"

const unsigned char dashboard_html[] = {
#include "api/dashboard_html.inc"
};
const size_t dashboard_html_len = sizeof dashboard_html;
