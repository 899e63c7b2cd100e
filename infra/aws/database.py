"""The database: PostgreSQL 18 on RDS, its owner's password, and the roles that services connect as."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from deployment import Deployment
from network import DATABASE_PORT, Network
from tasks import Variables

IDENTIFIER = "event-tracker"
"""The instance's name. It is fixed, so that a restored one can take its place (docs/aws.md)."""

NAME = "events"
OWNER = "owner"
ROLES = ("collector", "query", "control")

BACKUP_DAYS = 14


class Database(Construct):
    """An instance that only the tasks of `Network.allow_to_database` reach, and only by TLS.

    RDS makes the owner's password and changes it every seven days. Services don't have it: they connect as roles whose passwords
    `tracker migrate` sets, so none of them notices. Tasks that have it read it at their start.
    """

    def __init__(self, scope: Construct, deployment: Deployment, network: Network) -> None:
        super().__init__(scope, "Database")
        self._certificates = deployment.root_certificates_pem
        # RDS would make the group itself, and keep its lines for ever.
        log = logs.LogGroup(
            self, "Log",
            log_group_name=f"/aws/rds/instance/{IDENTIFIER}/postgresql",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )  # fmt: skip
        self.instance = self._make_instance(deployment, network)
        self.instance.node.add_dependency(log)
        assert self.instance.secret
        self.owner_secret: secretsmanager.ISecret = self.instance.secret
        self.role_secrets = {role: self._role_secret(role) for role in ROLES}

    def _make_instance(self, deployment: Deployment, network: Network) -> rds.DatabaseInstance:
        least, most = deployment.capacity.storage
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_18)
        return rds.DatabaseInstance(
            self, "Instance",
            instance_identifier=IDENTIFIER,
            engine=engine,
            instance_type=ec2.InstanceType(deployment.capacity.database),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="Database"),
            security_groups=[network.database],
            publicly_accessible=False,
            port=DATABASE_PORT,
            database_name=NAME,
            credentials=rds.Credentials.from_username(OWNER),
            manage_master_user_password=True,
            multi_az=deployment.is_multi_az,
            storage_type=rds.StorageType.GP3,
            allocated_storage=least,
            max_allocated_storage=most,
            storage_encrypted=True,
            parameter_group=rds.ParameterGroup(
                self, "Parameters", engine=engine, description="Event Tracker: TLS alone",
                parameters={"rds.force_ssl": "1"},
            ),
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            backup_retention=cdk.Duration.days(BACKUP_DAYS),
            preferred_backup_window="01:00-02:00",
            preferred_maintenance_window="sun:03:00-sun:04:00",
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
            cloudwatch_logs_exports=["postgresql"],
        )  # fmt: skip

    def variables(self, role: str, prefix: str = "") -> Variables:
        """The connection of a role, or of the owner, in parts: `DATABASE_HOST` and so on, with `prefix` in front."""
        secret = self.owner_secret if role == OWNER else self.role_secrets[role]
        environment = {
            "HOST": self.instance.db_instance_endpoint_address,
            "PORT": str(DATABASE_PORT),
            "NAME": NAME,
            "USER": role,
            "SSLMODE": "verify-full",
            "ROOT_CERTIFICATE": self._certificates,
        }
        name = f"{prefix}DATABASE_"
        field = "password" if role == OWNER else None
        return Variables(
            {f"{name}{part}": text for part, text in environment.items()},
            {f"{name}PASSWORD": ecs.Secret.from_secrets_manager(secret, field)},
        )

    def _role_secret(self, role: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self, f"{role.capitalize()}Password",
            description=f"Event Tracker: password of the database's role {role}, set by tracker migrate",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=40, exclude_punctuation=True),
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )  # fmt: skip
