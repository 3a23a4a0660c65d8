# Events by Amazon: Genesys Cloud -> partner event source -> event bus -> rule -> queue -> Closeout. Nothing of Closeout has to
# be reached from outside, and events wait in the queue while it does not run. The queue's policy is the proof of the sender.

variable "aws_account_id" {
  description = "The AWS account that gets the events."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "The id of an AWS account has twelve digits."
  }
}

variable "aws_region" {
  description = "The AWS region that gets the events, as eu-central-1."
  type        = string
}

variable "event_source_suffix" {
  description = "The end of the name of the partner event source."
  type        = string
  default     = "closeout"
}

provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]
}

locals {
  # The guest's leg ended: the proof. The agent's leg ended: a transfer is understood as none.
  closeout_topics = [
    "v2.detail.events.conversation.{id}.customer.end",
    "v2.detail.events.conversation.{id}.user.end",
  ]
  closeout_event_source = "aws.partner/genesys.com/cloud/${data.genesyscloud_organizations_me.this.id}"
}

data "genesyscloud_organizations_me" "this" {}

resource "genesyscloud_integration" "closeout_events" {
  intended_state   = "ENABLED"
  integration_type = "amazon-eventbridge-source"

  config {
    name  = "@NAME@ events"
    notes = "Endings of sessions, for Closeout."
    properties = jsonencode({
      awsAccountId      = var.aws_account_id
      awsAccountRegion  = var.aws_region
      eventSourceSuffix = var.event_source_suffix
      eventFilter       = local.closeout_topics
    })
    advanced = jsonencode({})
  }
}

# Genesys Cloud makes the source at AWS when the integration is switched on. Where it is not there yet, apply once more.
data "aws_cloudwatch_event_source" "closeout" {
  name_prefix = "${local.closeout_event_source}/${var.event_source_suffix}"
  depends_on  = [genesyscloud_integration.closeout_events]
}

resource "aws_cloudwatch_event_bus" "closeout" {
  name              = data.aws_cloudwatch_event_source.closeout.name
  event_source_name = data.aws_cloudwatch_event_source.closeout.name
}

resource "aws_cloudwatch_event_rule" "closeout" {
  name           = "@SLUG@"
  description    = "Endings of sessions, for Closeout."
  event_bus_name = aws_cloudwatch_event_bus.closeout.name
  event_pattern = jsonencode({
    source        = [{ prefix = local.closeout_event_source }]
    "detail-type" = local.closeout_topics
  })
}

resource "aws_sqs_queue" "closeout_dead" {
  name                      = "@SLUG@-events-dead"
  message_retention_seconds = 1209600
}

# A standard queue: neither EventBridge nor Closeout needs an order.
resource "aws_sqs_queue" "closeout" {
  name                      = "@SLUG@-events"
  message_retention_seconds = 345600
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.closeout_dead.arn
    maxReceiveCount     = 5
  })
}

# EventBridge alone may write, and only for this rule.
resource "aws_sqs_queue_policy" "closeout" {
  queue_url = aws_sqs_queue.closeout.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.closeout.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.closeout.arn } }
    }]
  })
}

# Without an input transformer: Closeout reads id, source, detail-type and detail.
resource "aws_cloudwatch_event_target" "closeout" {
  rule           = aws_cloudwatch_event_rule.closeout.name
  event_bus_name = aws_cloudwatch_event_bus.closeout.name
  target_id      = "queue"
  arn            = aws_sqs_queue.closeout.arn
  depends_on     = [aws_sqs_queue_policy.closeout]
}

# What Closeout itself may do with the queue: attach it to the role or user that it runs as.
resource "aws_iam_policy" "closeout" {
  name        = "@SLUG@-events"
  description = "Taking events of Genesys Cloud from the queue, for Closeout."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
      Resource = aws_sqs_queue.closeout.arn
    }]
  })
}

output "closeout_queue_policy_arn" {
  description = "The policy to attach to the role or user that Closeout runs as."
  value       = aws_iam_policy.closeout.arn
}

output "closeout_confirm_sqs" {
  description = "What belongs into closeout.toml."
  value       = <<-TOML
    [[confirm]]
    name = "eventbridge"
    kind = "sqs"
    queue_url = "${aws_sqs_queue.closeout.url}"
    event_source = "${local.closeout_event_source}"
  TOML
}
