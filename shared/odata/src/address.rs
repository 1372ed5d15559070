//! Addresses: whether a link that was stored earlier leads to the service our token is for.

/// Whether two addresses have the same scheme, host and port, whatever their case. A token is never sent anywhere else.
pub fn same_origin(a: &str, b: &str) -> bool {
    matches!((origin(a), origin(b)), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b))
}

fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let length = url[host..].find(['/', '?', '#']).unwrap_or(url.len() - host);
    (length > 0).then(|| &url[..host + length])
}

#[cfg(test)]
mod tests {
    use super::same_origin;

    #[test]
    fn f13_a_stored_link_is_ours_only_at_our_own_address() {
        let ours = "https://contoso.crm.dynamics.com/api/data/v9.2";
        for (link, is_ours) in [
            ("https://contoso.crm.dynamics.com/api/data/v9.2/accounts?$deltatoken=1", true),
            ("https://CONTOSO.crm.dynamics.com/accounts", true),
            ("https://contoso.crm.dynamics.com?x", true),
            ("https://former.crm.dynamics.com/api/data/v9.2/accounts?$deltatoken=1", false),
            ("https://contoso.crm.dynamics.com.example/api/data/v9.2/accounts", false),
            ("https://contoso.crm.dynamics.com:8443/api/data/v9.2/accounts", false),
            ("https://contoso.crm.dynamics.com@example.org/api/data/v9.2/accounts", false),
            ("http://contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("/api/data/v9.2/accounts", false),
            ("", false),
        ] {
            assert_eq!(same_origin(link, ours), is_ours, "{link}");
        }
    }
}
