//! A child that is no eduMFA; the first segment of its path says what it does.

use serde_json::{Value, json};

/// What it does with a question.
pub enum Does {
    /// Answers with status, headers and body.
    Says(u16, &'static str, String),
    /// Hangs up.
    HangsUp,
    /// Never answers.
    Hangs,
}

fn good() -> Value {
    json!({
        "id": 2, "jsonrpc": "2.0", "time": 1.0, "version": "fake 1", "versionnumber": "1",
        "result": { "status": true, "value": true, "authentication": "ACCEPT" },
        "detail": { "message": "fake child", "serial": "FAKE1", "type": "hotp" },
    })
}

fn failed(code: i32, message: &str) -> Value {
    json!({
        "id": 1, "jsonrpc": "2.0", "version": "fake",
        "result": { "status": false, "error": { "code": code, "message": message } },
    })
}

/// What it does when asked at `path`.
pub fn does(path: &str) -> Does {
    let json = |status, document: Value| Does::Says(status, "", document.to_string());
    let html = |status| Does::Says(status, "", "<html>hello</html>".to_owned());
    let mut good = good();
    match path.split('/').nth(1).unwrap() {
        // Three seconds are no time for a program that is patient, and no test waits for them.
        "ok" | "slow3" => json(200, good),
        "slow75" => Does::Hangs,
        "html502" => html(502),
        "html200" => html(200),
        "empty204" => Does::Says(204, "", String::new()),
        "list" => json(200, json!([])),
        "string" => json(200, json!("x")),
        "noresult" => json(200, json!({ "hello": 1 })),
        "cookie" => Does::Says(200, "Set-Cookie: a=b\r\nX-Child: yes\r\n", good.to_string()),
        "redirect302" => Does::Says(302, "Location: /ok/validate/check\r\n", String::new()),
        "redirect307" => Does::Says(307, "Location: /ok/validate/check\r\n", String::new()),
        "close" => Does::HangsUp,
        "status500ok" => json(500, good),
        "json403nodetail" => json(403, failed(303, "denied")),
        "json401detail" => {
            let mut failed = failed(4031, "Wrong");
            failed["detail"] = json!({});
            json(401, failed)
        }
        "nodetail" => {
            good.as_object_mut().unwrap().remove("detail");
            json(200, good)
        }
        "latin1" => {
            good["detail"] = json!({ "message": "über" });
            json(200, good)
        }
        other => panic!("the fake child does not know {other}"),
    }
}
