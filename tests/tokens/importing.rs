//! `vouchsafe token import`: CSV and PSKC; a file is read whole before anything is made.

use std::fmt::Write as _;

use crate::station::Station;
use crate::support::otp::{RFC_SEED, hotp, seed};

const HEADER: &str = "serial,secret,type,user,pin\n";

#[test]
fn a_table_is_imported_and_its_tokens_are_good() {
    let station = Station::start();
    let (one, two) = (seed(1), seed(2));
    let text = format!("{HEADER}A1,{one},hotp,ada,\"a, pin\"\nA2,{two},hotp,bob,\n");
    let file = station.file("tokens.csv", &text);
    let out = station.run(&["token", "import", &file]).good();
    assert!(out.ends_with("tokens.csv: 2 tokens imported, 0 not\n"), "{out}");
    assert!(station.accepts("ada", &format!("a, pin{}", hotp(&one, 0))));
    assert!(station.accepts("bob", &hotp(&two, 0)));
    assert_eq!(station.audited("token_import", "A2")["user"], "bob");

    let more = format!("{text}A3,{},hotp,eve,\n", seed(3));
    let file = station.file("more.txt", &more);
    let said = station.run(&["token", "import", &file]).bad();
    assert!(said.contains("add --format csv or --format pskc"), "{said}");
    let said = station.run(&["token", "import", &file, "--format", "csv"]);
    assert!(said.out.contains("1 tokens imported, 2 not"), "{said:?}");
    let said = said.bad();
    assert!(said.contains("token 1 (A1): there is a token 'A1' already"), "{said}");
    assert!(station.accepts("eve", &hotp(&seed(3), 0)));
    station.keeps_to_itself(&["a, pin", &one, &two], &["tokens.csv", "more.txt"]);
}

#[test]
fn a_file_with_a_wrong_line_is_not_imported_at_all() {
    let station = Station::start();
    let file =
        station.file("tokens.csv", &format!("{HEADER}A1,{},hotp,ada,\nA2,zz,hotp,,\n", seed(1)));
    let said = station.run(&["token", "import", &file]).bad();
    assert!(said.contains("tokens.csv, nothing was imported: line 3: "), "{said}");
    assert_eq!(station.run(&["token", "list"]).good().lines().count(), 1);
    let said = station.run(&["token", "import", "/nowhere/tokens.csv"]).bad();
    assert!(said.contains("cannot open /nowhere/tokens.csv; check the name"), "{said}");
}

#[test]
fn keys_in_xml_are_imported() {
    let station = Station::start();
    let key = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=";
    let text = format!(
        "<?xml version=\"1.0\"?>\n<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\n\
         <KeyPackage><DeviceInfo><SerialNo>987654321</SerialNo></DeviceInfo>\n\
         <Key Id=\"12345678\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:hotp\">\n\
         <AlgorithmParameters><ResponseFormat Length=\"6\" Encoding=\"DECIMAL\"/></AlgorithmParameters>\n\
         <Data><Secret><PlainValue>{key}</PlainValue></Secret><Counter><PlainValue>3</PlainValue></Counter></Data>\n\
         </Key></KeyPackage></KeyContainer>\n"
    );
    let file = station.file("tokens.xml", &text);
    station.run(&["token", "import", &file]).good();
    let token = station.token("987654321");
    assert_eq!((&token["type"], &token["user"]), (&"hotp".into(), &"".into()));
    // It is nobody's, so it is asked for by its serial.
    let check = |counter| {
        let body = serde_json::json!({ "serial": "987654321", "pass": hotp(RFC_SEED, counter) });
        let request = crate::support::client::Request::new("POST", "localhost", "/validate/check")
            .header("Content-Type", "application/json")
            .body(body.to_string());
        request.send(station.daemon.public).json()["result"]["value"].clone()
    };
    assert_eq!((check(2), check(3)), (false.into(), true.into()));
    station.keeps_to_itself(&[key, RFC_SEED], &["tokens.xml"]);
}

#[test]
fn a_long_file_is_imported_in_parts_and_listed_in_pages() {
    let station = Station::start();
    let mut text = HEADER.to_owned();
    for number in 0..1100 {
        writeln!(text, "L{number},{},hotp,user{number},", seed(7)).unwrap();
    }
    let file = station.file("long.csv", &text);
    let said = station.run(&["token", "import", &file]);
    assert!(said.err.contains("500 of 1100 tokens\n1000 of 1100 tokens\n1100 of"), "{said:?}");
    said.good();
    let list = station.run(&["token", "list"]).good();
    assert_eq!(list.lines().count(), 1101);
    let mut serials: Vec<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), 1101);
}
