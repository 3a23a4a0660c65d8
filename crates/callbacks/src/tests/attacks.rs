//! What hostile and broken receivers, names and URLs could do.

use super::*;

#[test]
fn no_spelling_of_a_url_leads_elsewhere_than_to_what_is_listed() {
    let hosts = ["shop.example", "Bücher.example", "10.1.2.3:8443"].map(str::to_owned);
    let allowed = AllowedHosts::read(&hosts).unwrap();
    for url in [
        "https://shop.example./",
        "https://shop.example:8443/",
        "https://shop.example@evil.example/",
        "https://shop.example:443@evil.example/",
        "https://evil.example\\@shop.example/",
        "https://evil.example#@shop.example/",
        "https://evil.example/?https://shop.example/",
        "https:shop.example.evil.example/",
        "https://shop.exаmple/",
        "https://shop.example%2eevil.example/",
        "https://shop%00.example/",
        "https://10.1.2.3/",
        "https://[::ffff:10.1.2.3]:8443/",
        "https://[::1]/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0/",
        "https://169.254.169.254/latest",
        "http://localhost./",
        "http://127.0.0.1.shop.example/",
        "file://shop.example/etc/passwd",
        "gopher://shop.example/",
        "HTTP://shop.example/",
    ] {
        assert!(allowed.check(url).is_err(), "{url}");
    }
    for url in [
        "HTTPS://SHOP.EXAMPLE/",
        "https://shop.example:/",
        "https://ＳＨＯＰ.example/",
        "https://xn--bcher-kva.example/",
        "https://BÜCHER.example/",
        "https://0xa.1.2.3:8443/",
    ] {
        let url = allowed.check(url).unwrap_or_else(|why| panic!("{url}: {why}"));
        assert!(["shop.example", "xn--bcher-kva.example", "10.1.2.3"].contains(&url.host_str().unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_holds_up_no_other_of_the_same_host() {
    let mut setup = setup(&["chat.example", "chat.example:8443"]);
    let table = |path: &str| Receiver {
        name: path.to_owned(),
        organisation: "main".parse().unwrap(),
        url: format!("https://chat.example/{path}").parse().unwrap(),
        on: vec!["ghost".to_owned()],
        format: Format::CloudEvents,
        signature: Some(signature()),
    };
    setup.receivers = vec![table("dead"), table("alive")];
    let world = World::new(setup);
    world.receivers.answer("chat.example/dead", [Outcome::NoAnswer("no answer in time")]);
    world.receivers.answer("chat.example/alive", [status(204)]);
    world.receivers.answer("chat.example:8443/", [status(204)]);
    for _ in 0..100 {
        announce(&world.store, None, &[], &["closeout.closure.ghost-detected.v1"]).await;
    }
    announce(&world.store, Some("https://chat.example:8443/"), &["closed"], &[CLOSED]).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(world.receivers.got("chat.example/alive").len(), 100);
    assert_eq!(world.receivers.got("chat.example:8443/").len(), 1);
    assert_eq!(world.receivers.got("chat.example/dead").len(), 4);
    let owed = world.owed().await;
    let dead = owed.iter().find(|one| one.body.receiver.as_deref() == Some("dead")).unwrap();
    assert_eq!(dead.shown_url(), "//chat.example/");
}

#[tokio::test(start_paused = true)]
async fn every_try_has_the_same_id_and_its_own_signed_time() {
    let world = World::new(setup(&["shop.example"]));
    let asks = Outcome::Answered { status: 429, retry_after: Some(Duration::from_secs(u64::MAX)) };
    world.receivers.answer("shop.example", [status(500), asks, status(204)]);
    announce(&world.store, Some("https://shop.example/"), &["closed"], &[CLOSED]).await;
    tokio::time::sleep(Duration::from_secs(86_390)).await;
    let got = world.receivers.got("shop.example");
    assert_eq!(got.len(), 2, "a receiver that asks for ages is left alone");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let got = world.receivers.got("shop.example");
    assert_eq!(got.len(), 3, "for a day");
    assert!(got.iter().all(|(_, id)| *id == got[0].1), "{got:?}");
}

/// A receiver that takes a request and then does with its connection what a test says.
async fn raw(answer: &'static [u8], drips: bool) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4_096]).await;
            let _ = socket.write_all(answer).await;
            while drips && socket.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    place
}

#[tokio::test]
async fn an_answer_that_never_ends_or_is_none_costs_no_more_than_its_time() {
    let endless = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", true).await;
    let headers = raw(b"HTTP/1.1 200 OK\r\nx-long: ", true).await;
    let nonsense = raw(b"SSH-2.0-OpenSSH_9.9\r\n", false).await;
    let away =
        raw(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", false)
            .await;
    let ages =
        raw(b"HTTP/1.1 503 Away\r\nretry-after: 18446744073709551615\r\ncontent-length: 0\r\n\r\n", false)
            .await;
    let allowed = [&endless, &headers, &nonsense, &away, &ages].map(Clone::clone);
    let http = HttpPost::new(AllowedHosts::read(&allowed).unwrap(), Duration::from_millis(500)).unwrap();
    let begun = std::time::Instant::now();
    let at = |place: &str| letter(&format!("http://{place}/"));
    assert_eq!(http.post(at(&endless)).await, status(200), "the status is the answer");
    assert_eq!(http.post(at(&headers)).await, Outcome::NoAnswer("no answer in time"));
    assert!(matches!(http.post(at(&nonsense)).await, Outcome::NoAnswer(_)));
    assert_eq!(http.post(at(&away)).await, status(302));
    let Outcome::Answered { status: 503, retry_after: Some(_) } = http.post(at(&ages)).await else {
        panic!("its wish is read")
    };
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
