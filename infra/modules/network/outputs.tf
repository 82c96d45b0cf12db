output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Ids of the public subnets, one a zone."
  value       = aws_subnet.public[*].id
}

output "zones" {
  description = "Availability zones of the subnets, in their order."
  value       = aws_subnet.public[*].availability_zone
}
