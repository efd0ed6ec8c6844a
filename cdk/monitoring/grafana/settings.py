"""Grafana's settings, by the names of its environment variables; see its documentation, "Configure Grafana"."""


def settings(*, url: str, content: str, data: str) -> dict[str, str]:
    """
    Who may come in, where it is, and that it calls nobody but Prometheus.

    Args:
        url: Of its start page, as people see it.
        content: The folder with what it is given at its start.
        data: The folder it may write to.
    """
    secure = str(url.startswith("https:")).lower()
    return {
        "GF_SERVER_ROOT_URL": url,
        "GF_SERVER_SERVE_FROM_SUB_PATH": "true",
        "GF_PATHS_PROVISIONING": f"{content}/grafana/provisioning",
        "GF_PATHS_DATA": data,
        "GF_LOG_MODE": "console",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_SECURITY_COOKIE_SECURE": secure,
        "GF_SECURITY_STRICT_TRANSPORT_SECURITY": secure,
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        # Some that it would fetch at each start.
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    }
