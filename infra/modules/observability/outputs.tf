output "alarm_names" {
  description = "Names of all alarms."
  value       = sort(concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name], [for alarm in aws_cloudwatch_metric_alarm.silence : alarm.alarm_name], [aws_cloudwatch_metric_alarm.heartbeat.alarm_name]))
}

output "heartbeat_alarm_name" {
  description = "Name of the alarm on a missing heartbeat."
  value       = aws_cloudwatch_metric_alarm.heartbeat.alarm_name
}

output "heartbeat_alarm_arn" {
  description = "ARN of that alarm."
  value       = aws_cloudwatch_metric_alarm.heartbeat.arn
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "heartbeat_alarm_threshold" {
  description = "Services that must report a heartbeat."
  value       = aws_cloudwatch_metric_alarm.heartbeat.threshold
}
