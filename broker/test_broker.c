/* The pure parts of broker/: addresses. The links themselves are tested with a real RabbitMQ
 * (tests/e2e). */
#include "broker/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *vhost, *user, *password;
        int port;
        bool tls;
    } table[] = {
        {"amqp://localhost", "localhost", "/", "", "", 5672, false},
        {"amqp://127.0.0.1:5673/belltower", "127.0.0.1", "belltower", "", "", 5673, false},
        {"amqps://u:p%40ss@mq.example/%2Fa", "mq.example", "/a", "u", "p@ss", 5671, true},
        {"amqp://u@h/", "h", "/", "u", "", 5672, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct broker_address a;
        struct err err = {0};
        assert_int_equal(broker_address_parse(table[i].text, strlen(table[i].text), &a, &err), 0);
        assert_string_equal(a.host, table[i].host);
        assert_string_equal(a.vhost, table[i].vhost);
        assert_string_equal(a.user, table[i].user);
        assert_string_equal(a.password, table[i].password);
        assert_int_equal(a.port, table[i].port);
        assert_int_equal(a.tls, table[i].tls);
    }
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://x",     "amqp://",      "amqp://h:0",  "amqp://h:99999",
                                      "amqp://h:12x", "amqp://h/%zz", "amqp://h/%00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct broker_address a;
        struct err err = {0};
        assert_int_equal(broker_address_parse(bad[i], strlen(bad[i]), &a, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void a_list_gives_each_address(void **state)
{
    (void)state;
    const char *rest = "amqp://a, amqp://b,", *text;
    size_t len, count = 0;
    while (broker_address_next(&rest, &text, &len)) {
        assert_int_equal(len, 8);
        count++;
    }
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(a_list_gives_each_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
