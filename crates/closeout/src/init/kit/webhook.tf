# Events by webhook: when a guest's leg of a messaging conversation ends, a trigger starts an Architect workflow, which calls a
# data action, which posts to Closeout: trigger -> workflow -> data action -> POST /hooks/@HOOK@.
#
# A data action cannot sign what it sends, so it proves itself by a static key. Closeout takes that and calls it weaker
# than a signature: keep the address private where you can.

variable "closeout_url" {
  description = "Where Genesys Cloud reaches Closeout, without a path: https://closeout.example"
  type        = string

  validation {
    condition     = can(regex("^https://[^/]+$", var.closeout_url))
    error_message = "The address begins with https:// and has neither a path nor a slash at the end."
  }
}

variable "closeout_hook_key" {
  description = "The key that the data action sends along, 16 characters or more; the same as in Closeout's configuration."
  type        = string
  sensitive   = true

  validation {
    condition     = length(var.closeout_hook_key) >= 16
    error_message = "The key has at least 16 characters, for instance of: openssl rand -hex 32"
  }
}

variable "event_ttl_seconds" {
  description = "How old an event may be to start the workflow still; what is older is read back by Closeout."
  type        = number
  default     = 120
}

data "genesyscloud_auth_division_home" "home" {}

# A credential that the user defines: the header below takes its field.
resource "genesyscloud_integration_credential" "closeout" {
  name                 = "@NAME@ hook key"
  credential_type_name = "userDefined"
  fields = {
    key = var.closeout_hook_key
  }
}

# Web services data actions. The kind of the credential is said by the credential; its place is always basicAuth.
resource "genesyscloud_integration" "closeout" {
  intended_state   = "ENABLED"
  integration_type = "custom-rest-actions"

  config {
    name       = "@NAME@"
    notes      = "Tells Closeout that a guest's session has ended."
    properties = jsonencode({})
    advanced   = jsonencode({})
    credentials = {
      basicAuth = genesyscloud_integration_credential.closeout.id
    }
  }
}

resource "genesyscloud_integration_action" "closeout" {
  name                   = "@NAME@ session ended"
  category               = "@NAME@"
  integration_id         = genesyscloud_integration.closeout.id
  secure                 = false
  config_timeout_seconds = 10

  contract_input = jsonencode({
    type     = "object"
    required = ["conversationId", "participantId", "sessionId"]
    properties = {
      conversationId = { type = "string" }
      participantId  = { type = "string" }
      sessionId      = { type = "string" }
    }
  })

  contract_output = jsonencode({
    type       = "object"
    properties = {}
  })

  config_request {
    request_type         = "POST"
    request_url_template = "${var.closeout_url}/hooks/@HOOK@"

    # Closeout's plain form. It has no id of its own: the same ending told twice is known by its bytes.
    request_template = jsonencode({
      state           = "disconnected"
      conversationId  = "$${input.conversationId}"
      participantId   = "$${input.participantId}"
      communicationId = "$${input.sessionId}"
    })

    headers = {
@HEADERS@    }
  }

  # Closeout answers 204 without a body.
  config_response {
    success_template = "{}"
  }
}

resource "genesyscloud_flow" "closeout" {
  filepath = "${path.module}/closeout_workflow.yaml"

  substitutions = {
    flow_name   = "@NAME@ session ended"
    division    = data.genesyscloud_auth_division_home.home.name
    integration = genesyscloud_integration_action.closeout.category
    action      = genesyscloud_integration_action.closeout.name
  }
}

resource "genesyscloud_processautomation_trigger" "closeout" {
  name              = "@NAME@ session ended"
  description       = "A guest's leg of a messaging conversation has ended."
  topic_name        = "v2.detail.events.conversation.{id}.customer.end"
  enabled           = true
  event_ttl_seconds = var.event_ttl_seconds

  match_criteria = jsonencode([
    {
      jsonPath = "mediaType"
      operator = "Equal"
      value    = "MESSAGE"
    }
  ])

  target {
    id   = genesyscloud_flow.closeout.id
    type = "Workflow"

    # The workflow gets the fields of the event that are texts, numbers or booleans, by their names.
    workflow_target_settings {
      data_format = "TopLevelPrimitives"
    }
  }
}

output "closeout_confirm_webhook" {
  description = "What belongs into closeout.toml. CLOSEOUT_HOOK_KEY is the key of the variable closeout_hook_key."
  value       = <<-TOML
    [[confirm]]
    name = "@HOOK@"
    kind = "webhook"
    verify = "@VERIFY@"
@VERIFY_HEADER@    decoder = "closeout"
    secrets = ["env:CLOSEOUT_HOOK_KEY"]
  TOML
}
