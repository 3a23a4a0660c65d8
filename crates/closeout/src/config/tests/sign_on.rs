//! `[console.oidc]`: what is taken, and what is told of everything that is wrong.

use std::time::Duration;

use super::Scene;

const WHOLE: &str = "[console.oidc]\nissuer = \"https://id.example/realms/staff\"\nclient_id = \"closeout\"\n\
    client_secret = \"env:OIDC_SECRET\"\npublic_url = \"https://closeout.example/\"\n\
    [[console.oidc.grant]]\nvalue = \"operators\"\nrole = \"operate\"\n";

fn scene(more: &str) -> Scene {
    let mut scene = Scene::usual(more);
    scene.set("OIDC_SECRET", "planted-secret");
    scene
}

fn problems(more: &str) -> Vec<String> {
    scene(more).settings().map(|_| Vec::new()).unwrap_or_else(|problems| problems)
}

#[test]
fn a_provider_is_read_with_safe_defaults_and_its_secret_does_not_show() {
    assert!(scene("").settings().unwrap().sign_on.is_none(), "there is none by itself");
    let settings = scene(WHOLE).settings().unwrap();
    assert!(!format!("{settings:?}").contains("planted-secret"));
    let sign_on = settings.sign_on.unwrap();
    assert_eq!(
        (sign_on.session, sign_on.button.as_str()),
        (Duration::from_secs(8 * 3_600), "Log in with single sign-on")
    );
    let provider = sign_on.provider;
    assert_eq!(provider.redirect_url(), "https://closeout.example/console/login/oidc/back");
    assert_eq!(
        (provider.scopes, provider.roles_claim.as_str()),
        (vec!["openid".to_owned(), "profile".to_owned()], "groups")
    );
    assert_eq!(provider.grants.len(), 1);
    assert_eq!(provider.grants[0].organisations, ["main"], "the only one");
}

#[test]
fn where_browsers_come_is_taken_from_the_callbacks_where_nothing_else_is_said() {
    let without = WHOLE.replace("public_url = \"https://closeout.example/\"\n", "");
    let told = problems(&without);
    assert!(told.len() == 1 && told[0].contains("/console/login/oidc/back"), "{told:?}");
    let with = format!("{without}[callbacks]\npublic_url = \"https://other.example\"\n");
    assert_eq!(scene(&with).settings().unwrap().sign_on.unwrap().provider.home, "https://other.example");
}

#[test]
fn everything_that_is_wrong_is_told_where_it_stands() {
    let changed = |from: &str, to: &str| {
        assert!(WHOLE.contains(from), "{from}");
        problems(&WHOLE.replace(from, to))
    };
    for (from, to, told) in [
        ("https://id.example/realms", "http://id.example/realms", "must begin with https://"),
        ("https://id.example/realms", "https://id.example?x=", "neither a user nor a query"),
        ("issuer = \"https://id.example/realms/staff\"\n", "", "console.oidc.issuer is missing"),
        ("client_id = \"closeout\"\n", "", "console.oidc.client_id is missing"),
        ("client_secret = \"env:OIDC_SECRET\"\n", "", "console.oidc.client_secret is missing"),
        ("env:OIDC_SECRET", "env:NOT_THERE", "NOT_THERE, which is not set"),
        (
            "https://closeout.example/",
            "http://closeout.example/",
            "must begin with https:// where people log in",
        ),
        ("https://closeout.example/", "https://closeout.example/ops", "scheme and host alone"),
        ("client_id", "scopes = [\"profile\"]\nclient_id", "must have \"openid\""),
        ("client_id", "scopes = [\"openid profile\"]\nclient_id", "which is no scope"),
        ("client_id", "session = \"25h\"\nclient_id", "longer than 24h"),
        ("client_id", "button = \" \"\nclient_id", "is no text"),
        ("client_id", "roles_claim = \"\"\nclient_id", "names no claim"),
        ("client_id", "secret = \"x\"\nclient_id", "unknown key `console.oidc.secret`"),
        ("value = \"operators\"\n", "", "console.oidc.grant.0.value is missing"),
        ("role = \"operate\"\n", "", "console.oidc.grant.0.role is missing"),
        ("role = \"operate\"", "role = \"submit\"", "choose one of read, operate, admin"),
        (
            "role = \"operate\"",
            "role = \"operate\"\norganisations = [\"other\"]",
            "\"other\", which is no organisation",
        ),
        ("role = \"operate\"", "role = \"operate\"\norganisations = []", "would open nothing"),
        (
            "role = \"operate\"",
            "role = \"operate\"\nclaim = \"x\"",
            "unknown key `console.oidc.grant.0.claim`",
        ),
        ("[[console.oidc.grant]]", "[console.oidc.grant]", "write [[console.oidc.grant]]"),
    ] {
        let found = changed(from, to);
        assert!(found.iter().any(|problem| problem.contains(told)), "{to:?}: {found:?}");
        assert!(!found.iter().any(|problem| problem.contains("planted-secret")), "{found:?}");
    }
    let grants = WHOLE.split_once("[[").unwrap().0;
    assert!(problems(grants)[0].contains("nobody could log in by the provider"));
    let twice = format!("{WHOLE}[[console.oidc.grant]]\nvalue = \"operators\"\nrole = \"operate\"\n");
    assert!(problems(&twice)[0].contains("gets the role operate twice"));
    assert!(problems("[console]\nissuer = \"x\"\n")[0].contains("it belongs to [console.oidc]"));
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    let local = WHOLE
        .replace("https://id.example/realms/staff", "http://127.0.0.1:9000")
        .replace("https://closeout.example/", "http://localhost:8080");
    assert_eq!(scene(&local).settings().unwrap().sign_on.unwrap().provider.home, "http://localhost:8080");
}

#[test]
fn several_organisations_are_named_and_no_key_passes_for_a_person() {
    let two = format!(
        "{WHOLE}[genesys.second]\nregion = \"eu-west-1\"\nclient_id = \"x\"\nclient_secret = \"y\"\n"
    );
    assert!(
        problems(&two)[0].contains("console.oidc.grant.0.organisations is missing"),
        "{:?}",
        problems(&two)
    );
    let named = two.replace("role = \"operate\"", "role = \"operate\"\norganisations = [\"second\"]");
    assert_eq!(problems(&named), [""; 0]);
    let scene = scene(WHOLE);
    let file = super::tokens::file_with("oidc:ann", "a key", "main");
    std::fs::write(scene.folder.path().join("tokens.toml"), file).unwrap();
    assert!(scene.settings().unwrap_err()[0].contains("\"oidc:ann\" begins with oidc:"));
}

#[test]
fn any_of_it_can_stand_in_the_environment() {
    let mut scene = scene("");
    for (name, value) in [
        ("ISSUER", "https://id.example"),
        ("CLIENT_ID", "closeout"),
        ("CLIENT_SECRET", "planted-secret"),
        ("PUBLIC_URL", "https://closeout.example"),
        ("GRANT__0__VALUE", "admins"),
        ("GRANT__0__ROLE", "admin"),
    ] {
        scene.set(&format!("CLOSEOUT_CONSOLE__OIDC__{name}"), value);
    }
    let provider = scene.settings().unwrap().sign_on.unwrap().provider;
    assert_eq!(
        (provider.issuer.as_str(), provider.grants[0].value.as_str()),
        ("https://id.example", "admins")
    );
}
