#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples against the sandbox, with their outputs.
Usage: examples_test.py CIBMTR_SANDBOX SUBMIT_OBSERVATIONS MANY_THREADS INTERFACE_ENGINE HTTPLIB_CLIENT C_CLIENT"""

import contextlib
import json
import os
import pty
import re
import resource
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.sandbox import SandboxTest

SandboxTest.sandbox_program, SUBMIT, MANY_THREADS, INTERFACE_ENGINE, HTTPLIB_CLIENT, C_CLIENT = (
    os.path.abspath(one) for one in sys.argv[1:7])
REFERS = ("entry 2 of the input refers to another entry, which may be sent in another transaction: send that one first, and refer "
          "to it by the server's id (Observation/ID)")
PATIENT = "Jane-Roe-4598886"  # a patient's data, which must not be printed


def observation(number, instruction=None, **more):
    made = {"resourceType": "Observation",
            "meta": {"security": [{"system": "http://cibmtr.org/codesystem/transplant-center", "code": "rc_12002"}]},
            "identifier": [{"system": "urn:oid:1.2.3", "value": "%s|lab,%d" % (PATIENT, number)}],
            "status": "final", "subject": {"reference": "Patient/46986"}, **more}
    if instruction:
        made["meta"]["tag"] = [{"system": "urn:cibmtr-sandbox", "code": instruction}]
    return made


def observations(count, instructions=None):
    return [observation(number, (instructions or {}).get(number)) for number in range(1, count + 1)]


class SubmitObservations(SandboxTest):
    def command(self, path, *options):
        return [SUBMIT, path, "--token-url", self.token_url, "--api-url", self.api_url, "--ca", self.path("ca.pem"),
                "--credentials", self.path("account.json"), *options]

    def submit(self, *arguments, **more):
        """Exit status, standard output, and standard error without what differs from run to run."""
        result = self.run_program(*self.command(*arguments), **more)
        self.assertNotIn(PATIENT, result.stdout + result.stderr)
        self.assertLessEqual(result.stderr.count("\n"), 1)
        message = result.stderr.replace(self.path(""), "").replace("localhost:%d" % self.port, "HOST")
        return result.returncode, result.stdout, message

    def input(self, entries, name="input.json"):
        return self.write(name, json.dumps(entries))

    def stored(self):
        return self.control()["observations"]

    @staticmethod
    def accepted(first, last, shift=0, status=201):
        return "".join("%d accepted %d Observation/%d/_history/1\n" % (number, status, number + shift)
                       for number in range(first, last + 1))

    @staticmethod
    def each(first, last, state):
        return "".join("%d %s\n" % (number, state) for number in range(first, last + 1))

    # What it reads

    def test_sends_in_transactions_of_at_most_50_and_reports_each_entry(self):
        path = self.input(observations(120))
        self.assertEqual(self.submit(path), (0, self.accepted(1, 120) + "120 of 120 accepted\n", ""))
        self.assertEqual((self.control()["api_calls"], self.stored()), (3, 120))

    def test_reads_ndjson_bundles_and_arrays_from_a_file_or_standard_input(self):
        one, two = observation(1), observation(2)
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one}, {"resource": two}]}
        transaction = {**bundle, "type": "transaction",
                       "entry": [{"request": {"method": "POST", "url": "Observation"}, "resource": one_of_two}
                                 for one_of_two in (one, two)]}
        inputs = {"ndjson": "%s\n%s\n" % (json.dumps(one), json.dumps(two)), "collection": json.dumps(bundle, indent=2),
                  "transaction": "\ufeff" + json.dumps(transaction), "array": json.dumps([one, two])}
        for count, (name, text) in enumerate(inputs.items()):
            self.assertEqual(self.submit("-", "--journal", self.path(name), input=text),
                             (0, self.accepted(1, 2, shift=2 * count) + "2 of 2 accepted\n", ""), name)
        empty = self.input({"resourceType": "Bundle", "type": "searchset", "total": 0}, "empty")
        self.assertEqual(self.submit(empty), (0, "0 of 0 accepted\n", ""))

    def test_sends_every_resource_as_it_stands(self):
        text = '{"resourceType":"Observation", "valueQuantity": {"value": 7.10, "exact": 12345678901234567890.0e-2}}'
        path = self.write("input.json", text)
        bundle = self.caught_request(path)
        self.assertIn('{"resource":%s,"request":{"method":"POST","url":"Observation"}}' % text, bundle)
        self.assertIn('"type":"transaction"', bundle)

    def caught_request(self, path, response=b""):
        """The request body that a server in place of the API receives."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            command = self.command(path)
            command[command.index(self.api_url)] = "http://localhost:%d" % server.getsockname()[1]
            running = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                text = b""
                while not text.endswith(b"}]}"):
                    text += connection.recv(65536)
                connection.sendall(response)
            running.wait(20)
        return text.decode().split("\r\n\r\n", 1)[1]

    def test_rejects_faulty_input_before_sending_anything(self):
        good = observation(1)
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": good}]}
        cases = [
            ("", "the input is empty"),
            (json.dumps(good) + "\n" + PATIENT, "the input is not JSON: see line 2"),
            (json.dumps([good, {"resourceType": "Patient", "id": PATIENT}]),
             "entry 2 of the input is of type Patient; only Observations are sent"),
            (json.dumps([good, {"id": PATIENT}]), "entry 2 of the input is not a FHIR resource; only Observations are sent"),
            (json.dumps([good, good]), "entry 2 of the input has the same identifier as entry 1"),
            (json.dumps({**bundle, "type": "history"}),
             "entry 1 of the input begins a Bundle that is not a collection, searchset, batch or transaction"),
            (json.dumps({**bundle, "entry": [{"resource": good}, {"fullUrl": "urn:uuid:1"}]}),
             "entry 1 of the input begins a Bundle with an entry that has no resource"),
            (json.dumps({**bundle, "entry": [{"resource": good, "request": {"method": "PUT", "url": "Observation/1"}}]}),
             "entry 1 of the input begins a Bundle with a request other than POST to Observation, the only one that is sent"),
            (json.dumps([good, observation(2, subject={"reference": "URN:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"})]),
             REFERS),
            *((json.dumps({**bundle, "entry": [
                {"fullUrl": "http://lab/fhir/Observation/1", "resource": good},
                {"fullUrl": "http://lab/fhir/Observation/2",
                 "resource": observation(2, hasMember=[{"reference": reference}])}]}), REFERS)
              for reference in ("Observation/1", "http://lab/fhir/Observation/1", "Observation/1/_history/3")),
            ('{"a":' * 200000, "the input nests brackets more than 100 deep: see line 1"),
            *(('\n' + json.dumps(good).replace('"final"', '"final", "n": ' + number), "the input is not JSON: see line 2")
              for number in ("01", "-.5", "1.", "-", "1e", "1e+", "--1", "0x10", "1.5.2", "-00")),
        ]
        cases += [(b"\n" + json.dumps(good).encode().replace(b"final", b"fin" + wrong),
                   "the input has a control character or is not UTF-8: see line 2") for wrong in (b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\x00")]
        twice = "the input has an object with two members of the same name: see line 1"
        cases += [(json.dumps(good).replace(once, both), twice) for once, both in (
            ('"resourceType": "Observation"', '"resourceType": "Observation", "resourceType": "Patient"'),
            ('"resourceType": "Observation"', '"resourceType": "Patient", "resource\\u0054ype": "Observation"'),
            ('"status": "final"', '"status": "final", "status": "final"'),
            ('"reference": "Patient/46986"', '"reference": "Patient/46986", "reference": "Patient/1"'))]
        cases += [(json.dumps(bundle).replace('"entry":', '"entry": [], "entry":'), twice),
                  (json.dumps(bundle).replace('"resource":', '"resource": {"resourceType": "Patient"}, "resource":'), twice)]
        for text, expected in cases:
            path = self.write("input.json", text)
            self.assertEqual(self.submit(path), (2, "", "submit_observations: %s\n" % expected), text[:999])
            self.assertFalse(os.path.exists(path + ".journal"))
        self.assertEqual(self.control()["token_requests"], 0)

    def test_a_response_with_interim_responses_trailers_and_long_fields_counts(self):
        body = json.dumps({"resourceType": "Bundle", "type": "transaction-response",
                           "entry": [{"response": {"status": "201", "location": "Observation/7"}}]}).encode()
        response = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Long: " + b"x" * 9000 +
                    b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(body), body))
        path = self.input(observations(1))
        self.caught_request(path, response)
        with open(path + ".journal", encoding="utf-8") as journal:
            self.assertEqual(journal.readlines()[-1], "1 accepted 201 Observation/7\n")

    def test_the_rehearsal_of_the_page_works(self):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..", "docs/submitting.md"), encoding="utf-8") as file:
            text = re.search(r"(?s)```sh\n(echo '[^\n]* >rehearsal\.ndjson\n.*?)```", file.read()).group(1)
        script = text.replace("build/examples/submit_observations", SUBMIT).replace(":8443/", ":%d/" % self.port)
        result = subprocess.run(["sh", "-euc", script], cwd=self.path(""), env=self.environment, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "1 accepted 201 Observation/1/_history/1\n1 of 1 accepted\n", ""))

    def test_says_why_the_token_is_not_shared(self):
        path = self.input(observations(1))
        os.mkdir(self.path("cache"), 0o700)
        os.mkdir(self.path("cache/cibmtr_auth"))
        os.chmod(self.path("cache/cibmtr_auth"), 0o755)
        result = self.submit(path)
        self.assertEqual(result, (0, self.accepted(1, 1) + "1 of 1 accepted\n", "submit_observations: note: the token is not "
                                  "shared: cache/cibmtr_auth: has mode 0755: chmod 700\n"))
        del self.environment["XDG_CACHE_HOME"]
        self.assertIn("note: the token is not shared: HOME and XDG_CACHE_HOME", self.submit(path)[2])

    # How it stops

    def test_a_rejected_entry_may_be_removed_and_an_accepted_one_may_not(self):
        entries = observations(52, {51: "refuse"})
        path = self.input(entries)
        self.assertEqual(self.submit(path)[0], 7)
        self.assertEqual(self.stored(), 50)
        self.input(entries[:50] + entries[51:])
        self.assertEqual(self.submit(path)[0], 0)
        self.assertEqual(self.stored(), 51)
        self.input(entries[:20])
        status, _, message = self.submit(path)
        self.assertEqual(status, 2)
        self.assertIn("says that entry 21 was sent, but it is missing in this input: restore it", message)
        self.assertEqual(self.stored(), 51)

    def test_stops_at_the_first_rejection_and_continues_once_it_is_fixed(self):
        path = self.input(observations(120, {57: "refuse"}))
        self.assertEqual(self.submit(path), (
            7, self.accepted(1, 50) + self.each(51, 56, "unsent (rejected with entry 57)") + "57 rejected HTTP 422\n" +
            self.each(58, 100, "unsent (rejected with entry 57)") + "50 of 120 accepted\n",
            "submit_observations: the server rejected entry 57, and therefore all of entries 51 to 100 with HTTP "
            "422 (business-rule); the response, which may name patients, is in input.json.journal.response\n"))
        with open(path + ".journal.response", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["resourceType"], "OperationOutcome")
        for name in (path + ".journal", path + ".journal.response"):
            self.assertEqual(os.stat(name).st_mode & 0o777, 0o600)
        self.assertEqual(self.stored(), 50)

        self.input(observations(120))
        self.assertEqual(self.submit(path), (0, self.accepted(51, 120) + "120 of 120 accepted\n", ""))
        self.assertEqual(self.submit(path), (0, "120 of 120 accepted\n", ""))
        self.assertEqual((self.stored(), self.control()["api_calls"]), (120, 4))

    def test_a_server_may_reject_a_single_entry_of_a_transaction(self):
        response = [{"response": {"status": "201 Created", "location": "Observation/7"}},
                    {"response": {"status": "422 Unprocessable", "outcome": {"text": PATIENT}}},
                    {"response": {"status": "201", "location": "Observation/8 " + PATIENT}}]
        self.control("/next", {"to": "api", "body": json.dumps(
            {"resourceType": "Bundle", "type": "transaction-response", "entry": response})})
        self.assertEqual(self.submit(self.input(observations(3))), (
            7, "1 accepted 201 Observation/7\n2 rejected 422\n3 accepted 201\n2 of 3 accepted\n",
            "submit_observations: the server rejected entry 2 with HTTP 200; the response, which may name patients, "
            "is in input.json.journal.response\n"))

    def test_every_entry_that_an_operation_outcome_blames_is_named(self):
        def issue(severity, *indexes):
            return {"severity": severity, "code": "invalid",
                    "expression": ["Bundle.entry[%s].resource" % index for index in indexes]}

        def answer_with(*issues):
            outcome = {"resourceType": "OperationOutcome", "issue": issues}
            self.control("/next", {"to": "api", "status": 400, "body": json.dumps(outcome)})

        path = self.input(observations(4))
        for unclear in (issue("error"), issue("error", ""), issue("error", 4), issue("error", "x")):
            answer_with(issue("error", 1), unclear)
            self.assertEqual(self.submit(path)[1], self.each(1, 4, "rejected HTTP 400") + "0 of 4 accepted\n", unclear)
        answer_with(issue("warning", 0), issue("error", 3, 3), issue("fatal", 9, 1), issue("error", 3))
        self.assertEqual(self.submit(path), (
            7, "1 unsent (rejected with entries 2, 4)\n2 rejected HTTP 400\n3 unsent (rejected with entries 2, 4)\n"
            "4 rejected HTTP 400\n0 of 4 accepted\n",
            "submit_observations: the server rejected entries 2, 4, and therefore all of entries 1 to 4 with HTTP "
            "400 (invalid); the response, which may name patients, is in input.json.journal.response\n"))

    def test_the_exit_status_distinguishes_rejections(self):
        for status, exit_status in ((400, 7), (403, 3), (404, 7), (413, 7), (429, 4), (303, 8)):
            self.control("/next", {"to": "api", "status": status, "body": "<html>%s</html>" % PATIENT})
            result = self.submit(self.input(observations(1)))
            word = "unknown" if status == 303 else "rejected"  # some servers say with 303 that they have it
            self.assertEqual(result[:2], (exit_status, "1 %s HTTP %d\n0 of 1 accepted\n" % (word, status)))
        self.assertEqual(self.submit(self.path("input.json"), "--unknown", "lost")[0], 0)
        self.assertEqual(self.stored(), 1)

    # How it renews

    def test_a_401_in_the_middle_is_renewed_and_nothing_is_sent_twice(self):
        self.control("/next", {"to": "api", "status": 401, "after": 1})
        path = self.input(observations(120))
        self.assertEqual(self.submit(path), (0, self.accepted(1, 120) + "120 of 120 accepted\n", ""))
        counted = self.control()
        self.assertEqual((counted["token_requests"], counted["api_calls"], counted["observations"]), (2, 4, 120))

    def test_a_second_401_is_a_rejection(self):
        self.control("/next", {"to": "api", "status": 401, "times": 2})
        result = self.submit(self.input(observations(1)))
        self.assertEqual(result[:2], (3, "1 rejected HTTP 401\n0 of 1 accepted\n"))
        self.assertEqual(self.control()["token_requests"], 2)

    def test_a_token_that_expires_during_the_run_is_renewed(self):
        self.control("/life", 1)
        path = self.input(observations(120, {1: "delay-700", 51: "delay-700"}))
        self.assertEqual(self.submit(path), (0, self.accepted(1, 120) + "120 of 120 accepted\n", ""))
        self.assertEqual((self.control()["token_requests"], self.stored()), (2, 120))

    def test_a_rejected_token_request_in_the_middle_leaves_the_rest_unsent(self):
        self.control("/next", {"to": "api", "status": 401, "after": 1})
        self.control("/next", {"status": 400, "body": json.dumps({"error": "invalid_grant"}), "after": 1})
        path = self.input(observations(100))
        status, printed, message = self.submit(path)
        self.assertEqual((status, printed), (
            3, self.accepted(1, 50) + self.each(51, 100, "unsent") + "50 of 100 accepted\n"))
        self.assertRegex(message, r"\Asubmit_observations: rejected: ")
        status, printed, message = self.submit(path)
        self.assertEqual((status, self.control()["token_requests"]), (3, 2), "the next run may not try again either")

    # What is unknown

    NEXT_STEPS = ("submit_observations: an earlier run sent entries 51 to 100 and got no response: find out whether the server "
                  "has them, then give --unknown accepted or --unknown lost; or give --if-none-exist to send them again without "
                  "harm\n")

    def lose_a_response(self):
        """The second transaction is stored, and its response comes too late."""
        path = self.input(observations(120, {57: "delay-60000"}))
        status, printed, message = self.submit(path, "--timeout", "0.7")
        self.assertEqual((status, printed), (
            8, self.accepted(1, 50) + self.each(51, 100, "unknown") + "50 of 120 accepted\n"))
        self.assertRegex(message, r"\Asubmit_observations: no response to entries 51 to 100 \(.*HOST.*\): whether the server has "
                                  r"stored them is unknown; run this again to see what to do\n\Z")
        return path

    def test_what_was_sent_without_a_response_is_unknown_and_never_sent_again_by_itself(self):
        path = self.lose_a_response()
        for _ in range(2):
            self.assertEqual(self.submit(path), (8, "", self.NEXT_STEPS))
        self.assertEqual((self.stored(), self.control()["api_calls"]), (100, 2))
        self.assertEqual(self.submit(path, "--unknown", "accepted"), (
            0, self.each(51, 100, "accepted (--unknown)") + self.accepted(101, 120) + "120 of 120 accepted\n", ""))
        self.assertEqual(self.stored(), 120)

    def test_without_standard_output_the_journal_is_complete_and_has_nothing_else(self):
        path = self.input(observations(2))
        closed = self.run_program("sh", "-c", 'exec "$@" >&-', "sh", *self.command(path))
        self.assertEqual((closed.returncode, closed.stderr), (
            2, "submit_observations: cannot write to standard output; the journal is complete\n"))
        with open(path + ".journal", encoding="utf-8") as journal:
            self.assertEqual([line.split()[:2] for line in journal.readlines()[1:]],
                             [["1", "sending"], ["2", "sending"], ["1", "accepted"], ["2", "accepted"]])
        self.assertEqual(self.submit(path), (0, "2 of 2 accepted\n", ""))

    def test_a_person_may_say_that_it_was_lost(self):
        self.control("/next", {"to": "api", "status": 502, "after": 1})
        path = self.input(observations(100))
        self.assertEqual(self.submit(path), (
            8, self.accepted(1, 50) + self.each(51, 100, "unknown HTTP 502") + "50 of 100 accepted\n",
            "submit_observations: HTTP 502 in response to entries 51 to 100 does not say whether the server has stored "
            "them; the response, which may name patients, is in input.json.journal.response\n"))
        self.assertEqual(self.submit(path, "--unknown", "lost"), (
            0, self.each(51, 100, "unsent (--unknown)") + self.accepted(51, 100) + "100 of 100 accepted\n", ""))
        self.assertEqual(self.stored(), 100)

    def test_conditional_creates_send_it_again_without_harm(self):
        path = self.lose_a_response()
        self.input(observations(120, {57: "delay-60000"}))
        changed = self.submit(path, "--if-none-exist", "--timeout", "0.7")
        self.assertEqual(changed[0], 8, "a response may be lost again")
        self.assertEqual(self.stored(), 100)
        self.control("/next", {"to": "api", "status": 429, "after": 1})
        self.assertEqual(self.submit(path, "--if-none-exist")[:2],
                         (8, self.each(51, 100, "unknown HTTP 429") + "50 of 120 accepted\n"))
        self.assertEqual(self.submit(path), (8, "", self.NEXT_STEPS), "rejected this time, perhaps stored the first time")

    def test_what_is_unknown_stays_so_when_it_cannot_be_sent_again(self):
        self.control("/next", {"to": "api", "status": 502})
        path = self.input(observations(1))
        self.assertEqual(self.submit(path)[0], 8)
        self.control("/next", {"to": "api", "status": 401, "after": 1})
        self.control("/next", {"status": 400, "body": json.dumps({"error": "invalid_grant"})})
        self.assertEqual(self.submit(path, "--if-none-exist")[:2], (8, "1 unknown\n0 of 1 accepted\n"))
        self.assertEqual(self.submit(path, "--no-cache")[0], 8)

    def test_an_unavailable_server_is_not_one_that_creates_unconditionally(self):
        for status, exit_status in ((503, 4), (429, 4), (403, 3)):
            self.control("/next", {"to": "api", "status": status})
            stopped, _, message = self.submit(self.input(observations(1)), "--if-none-exist")
            self.assertEqual(stopped, exit_status)
            self.assertIn("responded with HTTP %d" % status, message)
        self.assertEqual(self.stored(), 0)

    def test_a_server_that_has_it_says_200(self):
        path = self.input(observations(60))
        self.assertEqual(self.submit(path, "--if-none-exist")[0], 0)
        self.assertEqual(self.submit(path, "--if-none-exist", "--journal", self.path("another")), (
            0, self.accepted(1, 60, status=200).replace("accepted", "accepted (existed already)") +
            "60 of 60 accepted\n", ""))
        self.assertEqual(self.stored(), 60)

    def test_conditional_creates_need_identifiers_and_a_server_that_promises_them(self):
        path = self.input([observation(1), {"resourceType": "Observation"}])
        self.assertEqual(self.submit(path, "--if-none-exist"), (
            2, "", "submit_observations: entry 2 of the input has no identifier with system and value, which --if-none-exist "
            "needs\n"))
        self.control("/next", {"to": "api", "body": '{"resourceType": "CapabilityStatement", "rest": [{}]}'})
        self.assertEqual(self.submit(self.input(observations(1)), "--if-none-exist")[0], 2)
        self.assertEqual(self.stored(), 0)

    def test_a_response_without_each_entry_leaves_them_unknown(self):
        for body in ("", "<html>", '{"a":' * 100000, json.dumps({"type": "transaction-response", "entry": []}),
                     json.dumps({"type": "transaction-response", "entry": [{"response": {"status": "later"}}]})):
            path = self.input(observations(1), "input%d.json" % len(body))
            self.control("/next", {"to": "api", "body": body})
            status, printed, _ = self.submit(path)
            self.assertEqual((status, printed.splitlines()[1]), (8, "0 of 1 accepted"))

    def test_a_killed_program_leaves_what_was_sent_as_unknown(self):
        path = self.input(observations(60, {1: "delay-60000"}))
        running = subprocess.Popen(self.command(path), env=self.environment, stdout=subprocess.DEVNULL)
        self.addCleanup(running.kill)
        deadline = time.monotonic() + 20
        while self.stored() < 50:
            self.assertLess(time.monotonic(), deadline, "nothing was stored")
            time.sleep(0.02)
        locked = self.submit(path)
        self.assertEqual(locked, (2, "", "submit_observations: the journal input.json.journal is in use by another process\n"))
        running.kill()
        running.wait()
        status, printed, message = self.submit(path)
        self.assertEqual((status, printed), (8, ""))
        self.assertIn("an earlier run sent entries 1 to 50 and got no response", message)

    def test_a_server_that_cannot_be_reached_leaves_all_unsent(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = "https://localhost:%d" % server.getsockname()[1]
        path = self.input(observations(60))
        command = self.command(path)
        command[command.index(self.api_url)] = url
        result = self.run_program(*command)
        self.assertEqual((result.returncode, result.stdout), (5, self.each(1, 50, "unsent") + "0 of 60 accepted\n"))
        self.assertRegex(result.stderr, r"\Asubmit_observations: network: ")

    # Its journal

    def test_a_journal_belongs_to_its_server_and_what_was_sent(self):
        path = self.input(observations(2))
        self.assertEqual(self.submit(path)[0], 0)
        self.input([observation(1), observation(3)])
        self.assertEqual(self.submit(path), (
            2, "", "submit_observations: the journal input.json.journal says that entry 2 was sent, but it differs in this "
            "input: restore it; with another journal everything would be sent again\n"))
        self.input(observations(1))
        self.assertEqual(self.submit(path)[0], 2)
        self.input(observations(3))
        self.assertEqual(self.submit(path), (0, self.accepted(3, 3) + "3 of 3 accepted\n", ""), "a longer input continues")
        command = self.command(path)
        command[command.index(self.api_url)] = self.api_url + "/other"
        self.assertIn("is not a journal, or belongs to another server: name one for this server (--journal)", self.run_program(*command).stderr)
        other = self.write("other", "no journal, without a line break")
        self.assertEqual(self.submit(path, "--journal", other)[0], 2)
        self.assertEqual(os.stat(other).st_size, 32, "another file is left alone")

    def test_a_damaged_journal_is_not_continued(self):
        path = self.input(observations(2))
        self.assertEqual(self.submit(path)[0], 0)
        with open(path + ".journal", "a", encoding="utf-8") as journal:
            journal.write("\n")
        self.assertEqual(self.submit(path), (0, "2 of 2 accepted\n", ""), "an empty line does no harm")
        with open(path + ".journal", "a", encoding="utf-8") as journal:
            journal.write("accepted 2\n")
        self.assertEqual(self.submit(path), (
            2, "", "submit_observations: the journal input.json.journal is damaged in line 7: repair it; with another journal "
            "everything would be sent again\n"))

    def test_a_journal_may_have_any_number_of_lines_and_entries(self):
        path = self.input(observations(1))
        self.control("/next", {"to": "api", "status": 422})
        self.assertEqual(self.submit(path)[0], 7)
        with open(path + ".journal", encoding="utf-8") as journal:
            lines = journal.readlines()
        with open(path + ".journal", "w", encoding="utf-8") as journal:
            journal.writelines([lines[0], *lines[1:] * 1000001, "1000001 sending 1\n1000001 rejected HTTP 422\n"])
        self.assertEqual(self.submit(path), (0, self.accepted(1, 1) + "1 of 1 accepted\n", ""))

    def test_input_and_journal_must_be_files(self):
        path = self.input(observations(1))
        os.mkfifo(self.path("fifo"))
        for journal in ("/dev/full", self.path("fifo")):
            status, _, message = self.submit(path, "--journal", journal)
            self.assertEqual(status, 2)
            self.assertIn("is not a file: name another one (--journal)", message)
        folder = os.open(self.path(""), os.O_RDONLY)
        self.addCleanup(os.close, folder)
        journal = ("--journal", self.path("new"))
        for arguments, more in (((self.path(""), *journal), {}), (("-", *journal), {"stdin": folder})):
            status, _, message = self.submit(*arguments, **more)
            self.assertEqual(status, 2)
            self.assertIn("cannot be read (Is a directory)", message)
        self.assertEqual(self.control()["token_requests"], 0)

    def test_an_incomplete_last_line_does_not_count(self):
        path = self.input(observations(2))
        self.assertEqual(self.submit(path)[0], 0)
        with open(path + ".journal", "r+", encoding="utf-8") as journal:
            text = journal.read()
            journal.seek(0)
            journal.truncate(len(text) - 10)
        status, _, message = self.submit(path)
        self.assertEqual(status, 8)
        self.assertIn("an earlier run sent entry 2 and got no response", message)

    def test_a_file_size_limit_stops_it_before_it_sends_and_does_not_kill_it(self):
        path = self.input(observations(60))
        limit = len("journal 1 of what was sent to %s\n" % self.api_url) + 100
        result = self.submit(path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(result, (2, "0 of 60 accepted\n", "submit_observations: the journal input.json.journal cannot be "
                                  "written (File too large)\n"))
        self.assertEqual(self.control()["api_calls"], 0)
        self.assertLess(os.stat(path + ".journal").st_size, limit)  # no incomplete line is left
        self.assertEqual(self.submit(path)[0], 0, "what was never sent is not unknown")
        self.assertEqual(self.stored(), 60)

    # For people

    def test_shows_progress_on_a_terminal_only(self):
        terminal, end = pty.openpty()
        result = subprocess.run(self.command(self.input(observations(70))), env=self.environment, stderr=end,
                                stdout=subprocess.DEVNULL, check=False)
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # at its end, because the program has closed it
            while True:
                shown += os.read(terminal, 4096)
        os.close(terminal)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(re.sub(r"\r\x1b\[K", "|", shown.decode()), "|50 of 70 accepted|70 of 70 accepted|")

    def test_usage(self):
        self.assertEqual(self.submit("-", input="")[0], 2)
        self.assertEqual(self.run_program(SUBMIT).returncode, 2)
        self.assertIn("Exit status:", self.run_program(SUBMIT, "--help").stdout)


class ManyThreads(SandboxTest):
    def run_it(self, threads, calls):
        return self.run_program(MANY_THREADS, self.token_url, self.api_url, self.path("ca.pem"),
                                self.path("account.json"), str(threads), str(calls))

    def test_share_one_token(self):
        result = self.run_it(16, 5)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "16 threads: 80 calls succeeded, 0 failed, token requests: 1\n", ""))
        self.assertEqual(self.control()["api_calls"], 80)

    def test_renew_it_together(self):
        self.control("/next", {"to": "api", "status": 401})  # of any thread; the others get its new token
        self.assertEqual(self.run_it(4, 3).stdout, "4 threads: 12 calls succeeded, 0 failed, token requests: 2\n")

    def test_a_failure_ends_no_thread(self):
        self.control("/next", {"status": 400, "body": '{"error": "invalid_grant"}'})
        result = self.run_it(4, 3)
        self.assertEqual((result.returncode, result.stdout),
                         (1, "4 threads: 0 calls succeeded, 12 failed, token requests: 1\n"))


class InterfaceEngine(SandboxTest):
    def run_it(self, calls):
        result = self.run_program(INTERFACE_ENGINE, self.token_url, self.api_url, self.path("ca.pem"),
                                  self.path("account.json"), str(calls))
        return result.returncode, re.sub(r"\d+ s", "N s", result.stdout), result.stderr

    def test_logs_each_renewal(self):
        self.control("/next", {"to": "api", "status": 401, "after": 1})
        log = "log: renewed: a token was requested; request %d; expires in N s, the next renewal in N s\n"
        self.assertEqual(self.run_it(2), (0, log % 1 + "call 1: HTTP 200, token newly requested\n" + log % 2 +
                                          "call 2: HTTP 200, token newly requested\n", ""))

    def test_continues_after_a_failure(self):
        self.control("/next", {"status": 503})
        status, printed, message = self.run_it(3)
        self.assertEqual((status, message), (1, ""))
        self.assertRegex(printed, r"\Alog: failed: unavailable: .*503.*; request 1\ncall 1: no response: unavailable\n")
        self.assertRegex(printed, r"call 3: HTTP 200")


class HttplibClient(SandboxTest):
    def run_it(self):
        return self.run_program(HTTPLIB_CLIENT, self.token_url, self.api_url, self.path("ca.pem"), self.path("account.json"))

    def test_calls_the_api_with_cpp_httplib(self):
        self.assertEqual(self.run_it().stdout, "HTTP 200, token requests: 1\n")

    def test_renews_once_after_a_401(self):
        self.control("/next", {"to": "api", "status": 401})
        self.assertEqual(self.run_it().stdout, "HTTP 200, token requests: 2\n")
        self.control("/next", {"to": "api", "status": 401, "times": 2})
        self.assertEqual(self.run_it().stdout, "HTTP 401, token requests: 2\n")


class CInterface(SandboxTest):
    def run_it(self, credentials="account.json"):
        return self.run_program(C_CLIENT, self.token_url, self.path("ca.pem"), self.path(credentials))

    def test_a_c_program_gets_a_token_and_another_one_after_a_401(self):
        result = self.run_it()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\Agot an Authorization value of 1\d\d\d characters\n\Z")
        self.assertEqual(self.control()["token_requests"], 2)

    def test_an_error_crosses_the_boundary_as_a_status_and_a_text(self):
        with open(self.path("account.json"), encoding="utf-8") as file:
            self.write("wrong.json", json.dumps({**json.load(file), "password": "not-this-one"}))
        result = self.run_it("wrong.json")
        self.assertEqual((result.returncode, result.stdout), (3, ""))
        self.assertRegex(result.stderr, r"\Ac_client: .*invalid_grant")
        missing = self.run_it("missing.json")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("credentials file", missing.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[7:])
