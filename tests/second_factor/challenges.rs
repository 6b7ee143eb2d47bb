//! Answers in a second step, and on another device (SEMANTICS F6; A95).

use crate::lab::Push;
use crate::person::{Form, Person};
use crate::support::client::Answer;
use crate::world::{APP, BROWSERS, PORTAL, WORLD, World, allowed, good};

/// Sends the PIN alone and reads the form that asks for the OTP.
#[track_caller]
fn challenged(person: &mut Person, form: &Form, pin: &str) -> Form {
    let answer = person.send(form, pin);
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("factor-pending"), "{answer}");
    assert_eq!(answer.all("Set-Cookie"), [""; 0], "{answer}");
    let form = Form::read(&answer);
    let transaction = form.field("transaction_id");
    assert!(transaction.len() == 20 && transaction.bytes().all(|b| b.is_ascii_digit()), "{answer}");
    form
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer}");
    assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("factor-refused"), "{answer}");
}

#[test]
fn a_pin_leads_to_a_form_for_the_otp_and_its_answer_to_the_page() {
    WORLD.behind_each(|front| {
        let mut dwho = Person::logged_in(front.address, "dwho");
        let form = dwho.sent_to_form("/admin");
        let asking = challenged(&mut dwho, &form, "pin");
        // The node's words are shown and nothing else.
        assert!(
            asking.html.contains("please &#60;b&#62;enter&#60;/b&#62; otp: "),
            "{}",
            asking.html
        );
        assert_eq!(asking.refresh(), None, "{}", asking.html);
        let theirs = WORLD.lab.asked().pop().unwrap();
        assert_eq!(theirs.parameter("transaction_id"), None);
        assert_refused(&dwho.send(&asking, "wrong"));
        let otp = good();
        let done = dwho.send(&asking, &otp);
        assert_eq!(done.one("Location"), Some("http://app.example.com/admin"), "{done}");
        let asked = WORLD.lab.asked_for(&otp);
        let theirs = asked[0].parameter("transaction_id").unwrap();
        assert_ne!(theirs, asking.field("transaction_id"), "the node's own id was given out");
        assert_eq!(allowed(&dwho.visit(APP, "/admin"), front.address).all("Auth-Mail"), ["5"]);
    });
}

#[test]
fn a_challenge_is_of_one_session_and_answered_once() {
    let front = WORLD.fronts[0].address;
    let start = |user| {
        let mut person = Person::logged_in(front, user);
        let form = person.sent_to_form("/admin");
        let asking = challenged(&mut person, &form, "pin");
        (person, form, asking)
    };
    let (mut dwho, _, asking) = start("dwho");
    let transaction = asking.field("transaction_id").to_owned();
    // The same user's other session, and somebody else: nobody is asked.
    for user in ["dwho", "rtyler"] {
        let (mut other, form, _) = start(user);
        let otp = good();
        assert_refused(&other.send(&form.with("transaction_id", &transaction), &otp));
        assert_eq!(WORLD.lab.asked_for(&otp).len(), 0, "{user}");
    }
    let made_up = good();
    assert_refused(
        &dwho.send(&asking.clone().with("transaction_id", "01234567890123456789"), &made_up),
    );
    assert_eq!(WORLD.lab.asked_for(&made_up).len(), 0);

    let otp = good();
    assert_eq!(dwho.send(&asking, &otp).status, 302);
    assert_eq!(WORLD.lab.asked_for(&otp).len(), 1);
    // With the form of the session as it is now.
    for (otp, count) in [(otp, 1), (good(), 0)] {
        let form = Form::read(&dwho.visit(PORTAL, "/mfa").send(front));
        assert_refused(&dwho.send(&form.with("transaction_id", &transaction), &otp));
        assert_eq!(WORLD.lab.asked_for(&otp).len(), count, "a replay was sent on");
    }

    // After a logout there is no session, and a new one has nothing to do with it.
    let (dwho, _, asking) = start("dwho");
    let old = dwho.visit(PORTAL, "/logout").send(front);
    assert_eq!(old.status, 200, "{old}");
    let (mut again, form, _) = start("dwho");
    let (old_session, new_session) = (good(), good());
    let answer = dwho.posting(&asking.body(&old_session)).send(front);
    assert_eq!(answer.status, 302, "{answer}");
    assert!(
        answer.one("Location").unwrap().starts_with("https://auth.example.com/?url="),
        "{answer}"
    );
    assert_refused(
        &again.send(&form.with("transaction_id", asking.field("transaction_id")), &new_session),
    );
    for otp in [old_session, new_session] {
        assert_eq!(WORLD.lab.asked_for(&otp).len(), 0);
    }
}

#[test]
fn a_push_is_waited_for_without_a_script_until_it_is_confirmed() {
    // Its own, because the other device is.
    let world = World::start(&BROWSERS);
    world.behind_each(|front| {
        let mut dwho = Person::logged_in(front.address, "dwho");
        let form = dwho.sent_to_form("/admin");
        let mut waiting = challenged(&mut dwho, &form, "push");
        let old = dwho.id.clone();
        for _ in 0..2 {
            let answer = dwho.visit(PORTAL, &waiting.refresh().unwrap()).send(front.address);
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("factor-pending"), "{answer}");
            waiting = Form::read(&answer);
        }
        world.lab.push(Push::Confirmed);
        let done = dwho.visit(PORTAL, &waiting.refresh().unwrap()).send(front.address);
        dwho.take(&done);
        assert_eq!(done.status, 302, "{done}");
        assert_eq!(done.one("Location"), Some("http://app.example.com/admin"), "{done}");
        assert_ne!(dwho.id, old);
        assert_eq!(allowed(&dwho.visit(APP, "/admin"), front.address).all("Auth-Mail"), ["5"]);
        // Once.
        let again = dwho.visit(PORTAL, &waiting.refresh().unwrap()).send(front.address);
        assert_ne!(again.status, 302, "{again}");
    });
}

#[test]
fn a_push_that_is_declined_is_over() {
    let world = World::start(&["nginx 1.22"]);
    let front = world.fronts[0].address;
    let mut dwho = Person::logged_in(front, "dwho");
    let form = dwho.sent_to_form("/admin");
    let waiting = challenged(&mut dwho, &form, "push");
    world.lab.push(Push::Declined);
    let answer = dwho.visit(PORTAL, &waiting.refresh().unwrap()).send(front);
    assert_refused(&answer);
    let form = Form::again(&answer);
    assert_eq!((form.refresh(), form.field("transaction_id")), (None, ""), "{answer}");
    // Another way is still open.
    assert_eq!(dwho.send(&form, &good()).status, 302);
}

#[test]
fn a_page_polls_forty_times_and_then_the_person_is_asked() {
    let world = World::start(&["nginx 1.22"]);
    let front = world.fronts[0].address;
    let mut dwho = Person::logged_in(front, "dwho");
    let form = dwho.sent_to_form("/admin");
    let mut waiting = challenged(&mut dwho, &form, "push");
    let mut polls = 0;
    while let Some(target) = waiting.refresh() {
        waiting = Form::read(&dwho.visit(PORTAL, &target).send(front));
        polls += 1;
        assert!(polls <= 40, "{target}");
    }
    assert_eq!(polls, 40);
    // What a person makes of the number is of no use.
    for polls in ["0x", "-1", "99999999999", "40"] {
        let target =
            format!("/mfa/poll?transaction_id={}&polls={polls}", waiting.field("transaction_id"));
        let page = Form::read(&dwho.visit(PORTAL, &target).send(front));
        assert_eq!(page.refresh(), None, "{polls}");
    }
    // The challenge itself is still good.
    world.lab.push(Push::Confirmed);
    let target = format!("/mfa/poll?transaction_id={}", waiting.field("transaction_id"));
    assert_eq!(dwho.visit(PORTAL, &target).send(front).status, 302);
}

#[test]
fn a_foreign_page_cannot_poll() {
    let world = World::start(&["nginx 1.22"]);
    let front = world.fronts[0].address;
    let mut dwho = Person::logged_in(front, "dwho");
    let form = dwho.sent_to_form("/admin");
    let waiting = challenged(&mut dwho, &form, "push");
    let before = world.lab.asked().len();
    world.lab.push(Push::Confirmed);
    let poll = dwho.request("GET", PORTAL, &waiting.refresh().unwrap());
    let answer = poll.header("Sec-Fetch-Site", "cross-site").send(front);
    assert_eq!((answer.status, answer.all("Set-Cookie").len()), (403, 0), "{answer}");
    assert_eq!(world.lab.asked().len(), before);
}
